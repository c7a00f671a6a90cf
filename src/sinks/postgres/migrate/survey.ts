import { realColumns, recordedLayouts, type StoredEntity } from '../catalog.js'
import type { Connection } from '../connection.js'
import { type Column, Layout, snakeCase } from '../layout.js'
import { cutName, MAX_NAME_BYTES } from '../names.js'
import { tableName } from '../statements.js'

/** What `tributary migrate` finds in one table. */
export interface Survey {
  /** The real columns. */
  readonly columns: readonly Column[]
  /** The recorded layout, where there is one. */
  readonly old: Layout | undefined
  /** Values that did not fit their column when they were last tried, by column. */
  readonly kept: Readonly<Record<string, number>>
  /** Values in `extra` whose field has a column, by the column's position. */
  readonly strays: ReadonlyMap<number, Stray>
  /** Fields in `extra` whose column cannot have their name, because it is too long. */
  readonly cut: readonly { readonly field: string; readonly column: string }[]
}

/** Values in `extra` that belong into one column. */
export interface Stray {
  readonly fields: readonly string[]
  readonly values: number
}

/**
 * Looks at a table's columns, in the connection's current transaction.
 * @param scan whether to look for values in `extra`, too: reads the whole table
 * @throws SchemaError where the table lacks a column that the contract or the bookkeeping needs
 */
export async function survey(connection: Connection, entity: StoredEntity, scan: boolean): Promise<Survey> {
  const { table } = entity.postgres
  const columns = await realColumns(connection, entity)
  const old = (await recordedLayouts(connection)).get(table)
  const record = await connection.oneOrNone<{ kept: Record<string, number> }>(
    'SELECT kept FROM tributary.layout WHERE table_name = $1',
    [table],
  )
  const layout = new Layout(table, 0, columns)
  const keys = scan ? await keysInExtra(connection, layout) : []
  return { columns, old, kept: record?.kept ?? {}, strays: straysOf(layout, keys), cut: cutOf(layout, keys) }
}

interface Key {
  readonly key: string
  readonly values: number
}

/**
 * The keys of `extra` that may belong into a column, with their counts. A sender may have invented millions of names,
 * so Postgres leaves out what cannot be a column's name: it compares without case and underscores. A name beyond ASCII
 * is not left out, because the server's locale decides what its lower case is. Keys are counted before they are
 * compared: for a million rows with ten fields in `extra` that takes 2 s instead of 8 s.
 */
function keysInExtra(connection: Connection, { table, columns }: Layout): Promise<Key[]> {
  const names = columns.flatMap(({ name, field }) => (field === undefined ? [name] : [name, field]))
  const full = columns.filter(({ name }) => Buffer.byteLength(name) > MAX_NAME_BYTES - 4)
  return connection.any<Key>(
    `WITH keys AS MATERIALIZED (
       SELECT key, count(*)::int AS values FROM ${tableName(table)}, jsonb_object_keys(extra) AS key GROUP BY key
     )
     SELECT key, values FROM keys, replace(lower(key COLLATE "C"), '_', '') AS plain
     WHERE plain = ANY ($1::text[]) OR octet_length(key) <> char_length(key)
       OR EXISTS (SELECT FROM unnest($2::text[]) AS beginning WHERE starts_with(plain, beginning))`,
    [names.map(plainName), full.map(({ name }) => plainName(name))],
  )
}

function plainName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replaceAll('_', '')
}

function straysOf(layout: Layout, keys: readonly Key[]): Map<number, Stray> {
  const strays = new Map<number, Stray>()
  for (const { key, values } of keys) {
    const position = layout.positionOf(key)
    if (position === undefined) continue
    const { fields = [], values: before = 0 } = strays.get(position) ?? {}
    strays.set(position, { fields: [...fields, key], values: before + values })
  }
  return strays
}

function cutOf(layout: Layout, keys: readonly Key[]): Survey['cut'] {
  return keys.flatMap(({ key: field }) => {
    if (layout.positionOf(field) !== undefined) return []
    const wanted = [snakeCase(field), field, field.toLowerCase()].find(
      (name) =>
        Buffer.byteLength(name) > MAX_NAME_BYTES &&
        layout.columns.some((column) => column.name === cutName(name)),
    )
    return wanted === undefined ? [] : [{ field, column: cutName(wanted) }]
  })
}
