import { isDeepStrictEqual } from 'node:util'
import { realColumns, recordedLayouts, type StoredEntity } from './catalog.js'
import type { Connection } from './connection.js'
import { Layout } from './layout.js'
import { type Move, moveValues } from './move.js'
import { LAYOUT_LOCK, tableName } from './statements.js'

/**
 * Adopts a table's real columns where they differ from the recorded layout: moves the values of fields that now have
 * a column out of `extra` into it, and records the new layout. A lock keeps all batches out meanwhile, so that every
 * worker writes by the old layout before it and by the new one after it.
 * @throws SchemaError where the table lacks a column that the contract or the bookkeeping needs
 */
export async function adoptColumns(
  connection: Connection,
  entity: StoredEntity,
  report: (line: string) => void,
): Promise<void> {
  if (!(await connection.tx(() => differs(connection, entity)))) return
  await connection.tx(async () => {
    await connection.one(`SELECT pg_advisory_xact_lock(${LAYOUT_LOCK})`)
    await adopt(connection, entity, report)
  })
}

async function differs(connection: Connection, entity: StoredEntity): Promise<boolean> {
  const columns = await realColumns(connection, entity)
  const recorded = (await recordedLayouts(connection)).get(entity.postgres.table)
  return !isDeepStrictEqual(recorded?.columns, columns)
}

async function adopt(
  connection: Connection,
  entity: StoredEntity,
  report: (line: string) => void,
): Promise<void> {
  const { table } = entity.postgres
  const columns = await realColumns(connection, entity)
  const old = (await recordedLayouts(connection)).get(table)
  const next = new Layout(table, (old?.generation ?? 0) + 1, columns)
  const lost = (old?.columns ?? [])
    .map(({ name }) => name)
    .filter((lostName) => !columns.some(({ name }) => name === lostName))
  if (lost.length > 0) await forgetVersions(connection, table, lost)
  const gained = columns.filter(
    ({ name, field }) => !old?.columns.some((column) => column.name === name && column.field === field),
  )
  for (const move of gained.length > 0 ? await dueMoves(connection, next) : []) {
    const { moved, kept } = await moveValues(connection, next, move)
    const { name, type } = columns[move.position] ?? {}
    report(`Postgres: moved ${moved} values from extra to tributary.${table}.${name}`)
    if (kept > 0) report(`Postgres: ${kept} values do not fit ${name} ${type} and stay in extra`)
  }
  await connection.none(
    `INSERT INTO tributary.layout (table_name, generation, columns) VALUES ($1, $2, $3::jsonb)
     ON CONFLICT (table_name) DO UPDATE SET generation = excluded.generation, columns = excluded.columns`,
    [table, next.generation, JSON.stringify(columns)],
  )
  if (old && gained.length > 0) {
    report(`Postgres: tributary.${table} has new columns: ${gained.map(({ name }) => name).join(', ')}`)
  }
  if (lost.length > 0) report(`Postgres: tributary.${table} has lost columns: ${lost.join(', ')}`)
}

/** The values of a dropped column are gone, so their versions must not block older values of the field. */
async function forgetVersions(connection: Connection, table: string, names: string[]): Promise<void> {
  await connection.none(
    `UPDATE ${tableName(table)} SET _field_versions = nullif(_field_versions - $1::text[], '{}')
     WHERE _field_versions ?| $1::text[]`,
    [names],
  )
}

/** The columns that now exist for fields in `extra`. Reads the whole table, in one pass. */
async function dueMoves(connection: Connection, layout: Layout): Promise<Move[]> {
  const keys = await connection.any<{ key: string }>(
    `SELECT DISTINCT jsonb_object_keys(extra) AS key FROM ${tableName(layout.table)}`,
  )
  return layout.columns
    .map((_, position) => {
      const fields = keys.map(({ key }) => key).filter((key) => layout.positionOf(key) === position)
      return { position, fields }
    })
    .filter(({ fields }) => fields.length > 0)
}
