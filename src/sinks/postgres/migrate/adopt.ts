import { isDeepStrictEqual } from 'node:util'
import type { StoredEntity } from '../catalog.js'
import type { Connection } from '../connection.js'
import { type Column, Layout } from '../layout.js'
import { identifier, LAYOUT_LOCK, tableName } from '../statements.js'
import { moveValues } from './move.js'
import { type Survey, survey } from './survey.js'
import { inTurn, ownersPath, reading, waitFor } from './turn.js'

/** How a step of `tributary migrate` is done. */
export interface StepOptions {
  /** Called with a line for each thing that was done, or would be. */
  readonly report: (line: string) => void
  /** Only says what would be done. */
  readonly dryRun: boolean
}

/**
 * Adopts a table's real columns where they differ from the recorded layout: moves the values of fields that now have
 * a column out of `extra` into it, and records the new layout. Moves values that an earlier version left in `extra`
 * although there is a column, too. A lock keeps all batches out meanwhile, so that every worker writes by the old
 * layout before it and by the new one after it. Where nothing is to be done this only reads, and stops no worker.
 * @throws SchemaError where the table lacks a column that the contract or the bookkeeping needs
 */
export async function adoptColumns(
  connection: Connection,
  entity: StoredEntity,
  { report, dryRun }: StepOptions,
): Promise<void> {
  const { table } = entity.postgres
  const found = await reading(connection, () => survey(connection, entity, true))
  for (const { field, column } of found.cut) {
    report(
      `Postgres: the field ${field} stays in extra, although tributary.${table} has ${column}: Postgres has cut the ` +
        "column's name. Name a shorter column in `postgres.columns` of its contract",
    )
  }
  const plan = planOf(found)
  if (!plan.differs && plan.due.length === 0) return
  if (dryRun) return announce(table, found, plan, report)
  await inTurn(connection, report, async () => {
    await waitFor(connection, LAYOUT_LOCK)
    const scan = plan.gained.length > 0 || plan.due.length > 0
    const now = await survey(connection, entity, scan)
    await adopt(connection, table, now, report)
  })
}

interface Plan {
  /** Whether the record of the columns has to be written anew. */
  readonly differs: boolean
  readonly lost: readonly string[]
  /** Columns that are new, or feed from another field. */
  readonly gained: readonly Column[]
  /** Columns of another type, with the type before. */
  readonly retyped: readonly { readonly column: Column; readonly before: string }[]
  /** Columns that have got a default, and were there before. */
  readonly defaulted: readonly Column[]
  /** Positions of columns that values in `extra` may be moved to. */
  readonly due: readonly number[]
}

function planOf({ columns, old, kept, strays }: Survey): Plan {
  const before = old?.columns ?? []
  const gained = columns.filter(
    ({ name, field }) => !before.some((column) => column.name === name && column.field === field),
  )
  const retyped = columns.flatMap((column) => {
    const type = before.find(({ name }) => name === column.name)?.type
    return type === undefined || type === column.type ? [] : [{ column, before: type }]
  })
  const anew = new Set([...gained, ...retyped.map(({ column }) => column)])
  return {
    differs: !isDeepStrictEqual(old?.columns, columns),
    lost: before.map(({ name }) => name).filter((name) => !columns.some((column) => column.name === name)),
    gained,
    retyped,
    // Up to 0.2.0 the record lacks `base`, and most defaults: there it does not tell which of them are new.
    defaulted: columns.filter(
      (column) =>
        column.default !== undefined &&
        before.some(
          ({ name, base, default: old }) => name === column.name && base !== undefined && old === undefined,
        ),
    ),
    due: [...strays].flatMap(([position, { values }]) => {
      const column = columns[position]
      if (column === undefined) return []
      return anew.has(column) || values > (kept[column.name] ?? 0) ? [position] : []
    }),
  }
}

function announce(
  table: string,
  { columns, strays }: Survey,
  plan: Plan,
  report: (line: string) => void,
): void {
  for (const position of plan.due) {
    const values = strays.get(position)?.values
    report(
      `Postgres: would try to move ${values} values from extra to tributary.${table}.${columns[position]?.name}`,
    )
  }
  describe(table, plan, (line) => report(`Postgres: would record that ${line}`))
}

/** A line for each way in which the columns differ. */
function describe(
  table: string,
  { gained, lost, retyped, defaulted }: Plan,
  say: (line: string) => void,
): void {
  if (gained.length > 0) {
    say(`tributary.${table} has new columns: ${gained.map(({ name }) => name).join(', ')}`)
  }
  if (lost.length > 0) say(`tributary.${table} has lost columns: ${lost.join(', ')}`)
  for (const { name } of defaulted) say(`tributary.${table}.${name} has a default now`)
  for (const { column, before } of retyped) {
    say(`tributary.${table}.${column.name} is ${column.type} now, and was ${before}`)
  }
}

async function adopt(
  connection: Connection,
  table: string,
  found: Survey,
  report: (line: string) => void,
): Promise<void> {
  const { columns, old, kept, strays } = found
  const plan = planOf(found)
  // Only other columns make workers prepare their statements again.
  const next = new Layout(table, (old?.generation ?? 0) + (plan.differs ? 1 : 0), columns)
  const stillKept = Object.fromEntries(
    Object.entries(kept).filter(([name]) => columns.some((column) => column.name === name)),
  )
  await ownersPath(connection)
  if (plan.lost.length > 0) await forgetVersions(connection, table, plan.lost)
  for (const { name } of plan.defaulted) await noteNamed(connection, table, name)
  for (const position of plan.due) {
    const { fields = [] } = strays.get(position) ?? {}
    const { moved, kept: refused } = await moveValues(connection, next, { position, fields })
    const { name = '', type } = columns[position] ?? {}
    stillKept[name] = refused
    report(`Postgres: moved ${moved} values from extra to tributary.${table}.${name}`)
    if (refused > 0) report(`Postgres: ${refused} values do not fit ${name} ${type} and stay in extra`)
  }
  await connection.none(
    `INSERT INTO tributary.layout (table_name, generation, columns, kept) VALUES ($1, $2, $3::jsonb, $4::jsonb)
     ON CONFLICT (table_name) DO UPDATE
     SET generation = excluded.generation, columns = excluded.columns, kept = excluded.kept`,
    [table, next.generation, JSON.stringify(columns), JSON.stringify(stillKept)],
  )
  if (old) describe(table, plan, (line) => report(`Postgres: ${line}`))
}

/** The values of a dropped column are gone, so their versions must not block older values of the field. */
async function forgetVersions(
  connection: Connection,
  table: string,
  names: readonly string[],
): Promise<void> {
  await connection.none(
    `UPDATE ${tableName(table)} SET _field_versions = nullif(_field_versions - $1::text[], '{}')
     WHERE _field_versions ?| $1::text[]`,
    [names],
  )
}

/**
 * Notes that events have named the values of a column that had no default so far: a value that is not noted counts as
 * the default, which newer snapshots leave alone.
 */
async function noteNamed(connection: Connection, table: string, name: string): Promise<void> {
  await connection.none(
    `UPDATE ${tableName(table)}
     SET _field_versions = coalesce(_field_versions, '{}') || jsonb_build_object($1::text, _version)
     WHERE ${identifier(name)} IS NOT NULL AND _version <> '' AND _deleted_at IS NULL
       AND (_field_versions ? $1::text) IS NOT TRUE`,
    [name],
  )
}
