import type { Entity } from '../../../schemas/contract.js'
import { realColumns, recordedLayouts, type StoredEntity, storedEntities } from './catalog.js'
import type { Connection } from './connection.js'
import { SchemaError } from './errors.js'
import { type Column, Layout } from './layout.js'
import { missingMigrations } from './migrate/migrations.js'
import { checkServerVersion } from './server-version.js'

/** Layouts by table. */
export type Layouts = ReadonlyMap<string, Layout>

/**
 * Checks that this version can write to the database, and reads how: the columns that the last `tributary migrate`
 * recorded, with the types that they have now.
 * @param report called with a line for each column that `tributary migrate` has not seen as it is now
 * @throws SchemaError where a person has to act first
 */
export async function readLayouts(
  connection: Connection,
  entities: readonly Entity[],
  report: (line: string) => void,
): Promise<Layouts> {
  await checkServerVersion(connection)
  const [missing] = await missingMigrations(connection)
  if (missing !== undefined) {
    throw new SchemaError(`Postgres lacks the migration ${missing}: run \`tributary migrate\``)
  }
  const recorded = await recordedLayouts(connection)
  const layouts = new Map<string, Layout>()
  for (const entity of storedEntities(entities)) {
    const { table } = entity.postgres
    layouts.set(table, await readLayout(connection, entity, recorded.get(table), report))
  }
  return layouts
}

async function readLayout(
  connection: Connection,
  entity: StoredEntity,
  recorded: Layout | undefined,
  report: (line: string) => void,
): Promise<Layout> {
  const { table } = entity.postgres
  // Read first: where the columns change after it, the first batch finds that out.
  const { fingerprint } = await connection.one<{ fingerprint: string }>(
    'SELECT tributary.columns_of($1) AS fingerprint',
    [table],
  )
  const real = await connection.tx((transaction) => realColumns(transaction, entity))
  const byName = new Map(real.map((column) => [column.name, column]))
  const lost = recorded?.columns.find(({ name }) => !byName.has(name))
  if (recorded === undefined || lost !== undefined) {
    const what = lost === undefined ? 'is new' : `has lost its column ${lost.name}`
    throw new SchemaError(`tributary.${table} ${what} since the last migration: run \`tributary migrate\``)
  }
  for (const { name } of real) {
    if (recorded.columns.some((column) => column.name === name)) continue
    report(`the column ${name} of tributary.${table} is not written to yet: run \`tributary migrate\``)
  }
  const columns = recorded.columns.map((column) => {
    const now = byName.get(column.name) ?? column
    if (now.type !== column.type) report(changed(table, column, now))
    if (isNewDefault(column, now)) report(hasDefault(table, column))
    return asRecorded(now, column)
  })
  return new Layout(table, recorded.generation, columns, fingerprint)
}

function changed(table: string, { name, type }: Column, now: Column): string {
  const remedy = 'it is written as such; run `tributary migrate`, which records it'
  return `the column ${name} of tributary.${table} was ${type}, and is ${now.type} now: ${remedy}`
}

/** Whether a column that may be NULL has got a default. One that must not be NULL needs it at once. */
function isNewDefault(recorded: Column, now: Column): boolean {
  return now.default !== undefined && recorded.default === undefined && now.notNull === undefined
}

function hasDefault(table: string, { name }: Column): string {
  return `the column ${name} of tributary.${table} has a default now: rows get it once \`tributary migrate\` has run`
}

/**
 * The record says which field goes to a column, so that workers of different versions agree. It also says whether a
 * column has a default: `tributary migrate` first has to note which rows have a value that an event has named.
 */
function asRecorded(now: Column, recorded: Column): Column {
  const { field: _, default: defaultValue, ...rest } = now
  return {
    ...rest,
    ...(defaultValue !== undefined && !isNewDefault(recorded, now) && { default: defaultValue }),
    ...(recorded.field !== undefined && { field: recorded.field }),
  }
}
