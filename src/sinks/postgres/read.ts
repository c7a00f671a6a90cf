import type { Entity } from '../../../schemas/contract.js'
import { parseExactly } from '../../state/json.js'
import type { Field, State } from '../../state/state.js'
import type { Version } from '../../state/version.js'
import { recordedLayouts } from './catalog.js'
import { type Connection, openDatabase, withConnection } from './connection.js'
import { SchemaError, suspected } from './errors.js'
import type { Layout } from './layout.js'
import { tableName } from './statements.js'

/** Reads stored rows back as states, for ledgers and tests. */
export interface PostgresStates {
  readonly name: 'postgres'
  /**
   * Tombstones are included, unknown keys left out. A field has the contract's name, or else its column's name; its
   * value is what `to_jsonb` makes of it, whole numbers beyond 2^53 as bigints. A column that has been NULL since the
   * base is left out.
   * @throws TransientError where Postgres cannot be asked now · the signal's reason, once it is aborted
   */
  read(entity: Entity, keys: readonly string[], signal?: AbortSignal): Promise<Map<string, State>>
  close(): Promise<void>
}

/** A row as JSON: the bookkeeping below, and the table's other columns. */
interface StoredRow {
  readonly [column: string]: unknown
  readonly id: string
  readonly extra: Readonly<Record<string, unknown>> | null
  readonly _version: Version
  readonly _field_versions: Readonly<Record<string, Version>> | null
  readonly _deleted_at: string | null
}

/** Keys in one query. */
const PAGE = 1_000
const NEVER = new AbortController().signal

/** Connects at the first read. @throws Error where the URL cannot be read */
export function openPostgresStates(url: string): PostgresStates {
  const database = openDatabase({ url, poolSize: 1, queryTimeoutMs: 0 })
  return {
    name: 'postgres',
    close: () => database.$pool.end(),
    read: (entity, keys, signal = NEVER) => {
      const { name, postgres } = entity
      if (postgres === undefined) throw new Error(`the entity ${name} is not kept in Postgres`)
      const { table } = postgres
      return withConnection(database, `read tributary.${table}`, signal, async (connection) => {
        const layout = (await recordedLayouts(connection)).get(table)
        if (layout === undefined)
          throw new SchemaError(`tributary.${table} is new: run \`tributary migrate\``)
        return await readStates(connection, entity, layout, keys)
      })
    },
  }
}

/** As `read` of {@link PostgresStates}, over a connection. @throws the driver's error */
export async function readStates(
  connection: Connection,
  { fields }: Entity,
  layout: Layout,
  keys: readonly string[],
): Promise<Map<string, State>> {
  const names = new Map(fields.map((field) => [layout.positionOf(field), field]))
  const states = new Map<string, State>()
  for (let start = 0; start < keys.length; start += PAGE) {
    // As text, because the driver would change whole numbers beyond 2^53.
    const rows = await connection.any<{ row: string }>(
      `SELECT to_jsonb(t)::text AS row FROM ${tableName(layout.table)} AS t WHERE id = ANY ($1)`,
      [keys.slice(start, start + PAGE)],
    )
    for (const { row: text } of rows) {
      const row = parseExactly(text) as StoredRow
      states.set(row.id, stateOf(row, layout, names))
    }
  }
  return states
}

/**
 * As {@link readStates}, in at most `limitMs` milliseconds for each query, also where it waits for a lock of the table.
 * @throws TransientError where it takes longer; the connection is sound then
 */
export async function readWithinTime(
  limitMs: number,
  connection: Connection,
  entity: Entity,
  layout: Layout,
  keys: readonly string[],
): Promise<Map<string, State>> {
  try {
    await connection.none(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${limitMs}`)
    const states = await readStates(connection, entity, layout, keys)
    await connection.none('COMMIT')
    return states
  } catch (error) {
    const suspicion = suspected(error, `read tributary.${layout.table}`)
    if (suspicion === undefined) throw error
    await connection.none('ROLLBACK')
    throw suspicion
  }
}

function stateOf(row: StoredRow, layout: Layout, names: ReadonlyMap<number | undefined, string>): State {
  const versions = new Map(Object.entries(row._field_versions ?? {}))
  const fields = new Map<string, Field>()
  for (const [name, value] of Object.entries(row.extra ?? {})) {
    fields.set(name, { value, version: versions.get(name) ?? row._version })
  }
  for (const [position, column] of layout.columns.entries()) {
    const [name, value] = [names.get(position) ?? column.name, row[column.name]]
    const version = versions.get(column.name)
    // What an event has not named: a default, or what a tombstone keeps because the column refuses NULL.
    if (version === undefined && (column.default !== undefined || row._deleted_at !== null)) continue
    if (value !== null || version !== undefined) fields.set(name, { value, version: version ?? row._version })
  }
  return { version: row._version, deleted: row._deleted_at !== null, fields }
}
