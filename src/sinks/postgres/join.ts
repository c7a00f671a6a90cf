import pg from 'pg'
import type { Column, Layout } from './layout.js'

const { escapeIdentifier: identifier, escapeLiteral: literal } = pg

/** What a tombstone leaves in the columns: NULL, where the column may be NULL, or the values of before. */
export type Tombstones = 'tombstones are empty' | 'tombstones keep values'

/**
 * `join` of src/state/state.ts in SQL: joins the rows of the stage (s) into the table (t). A column or a key of extra
 * has its version in _field_versions, else the row's version.
 *
 * It is a MERGE, so that Postgres checks constraints, row-level security and triggers on what a row becomes, and not
 * on what the stage says of it. Rows are written in key order, so that workers do not deadlock. A row for which
 * nothing is new is not written. Costs O(n log n) for n fields, stored and new.
 */
export function joinRows(
  layout: Layout,
  stage: string,
  tombstones: Tombstones = 'tombstones are empty',
): string {
  const keepsAll = tombstones === 'tombstones keep values'
  const columns = layout.columns.map((column) => ({ ...column, quoted: identifier(column.name) }))
  const updates = columns.map(
    (column) => `${column.quoted} = ${joinedValue(column, column.quoted, keepsAll)}`,
  )
  const names = ['id', ...columns.map(({ quoted }) => quoted), ...BOOKKEEPING]
  const values = ['s.id', ...columns.map(insertedValue), ...BOOKKEEPING.map((name) => `s.${name}`)]
  return `
    MERGE INTO tributary.${identifier(layout.table)} AS t
    USING (SELECT * FROM ${stage} ORDER BY id COLLATE "C") AS s ON t.id = s.id
    WHEN MATCHED AND (s._version > t._version OR s._field_versions IS NOT NULL AND ${HAS_NEWS}) THEN
      UPDATE SET ${[...updates, ...bookkeepingJoin(layout)].join(',\n')}
    WHEN NOT MATCHED THEN
      INSERT (${names.join(', ')}) VALUES (${values.join(', ')})`
}

const BOOKKEEPING = ['extra', '_version', '_field_versions', '_deleted_at'] as const

/** The version of a column. @param key an SQL literal of its name */
function versionIn(row: 's' | 't', key: string): string {
  return `coalesce(${row}._field_versions ->> ${key}, ${row}._version) COLLATE "C"`
}

/** Whether the stage names a column: always in _field_versions, if the column has a default or the row is older. */
function isNamed(row: 's' | 't', column: Column): string {
  return `${row}._field_versions ? ${literal(column.name)}`
}

/** Whether the stage has a newer value. The first part is only for speed: a patch does not name most columns. */
export function isNewer(column: Column): string {
  const key = literal(column.name)
  return `(s._version > t._version OR ${isNamed('s', column)}) AND ${versionIn('s', key)} > ${versionIn('t', key)}`
}

/** The value of a column in a row that is there. */
function joinedValue(column: Column, name: string, keepsAll: boolean): string {
  const newer = isNewer(column)
  if (column.default !== undefined) {
    // Only a value that an event has named goes back to the default, and only once.
    return `CASE WHEN (${newer}) IS NOT TRUE THEN t.${name} WHEN ${isNamed('s', column)} THEN ${orDefault(column, `s.${name}`)}
      WHEN ${isNamed('t', column)} THEN ${column.default} ELSE t.${name} END`
  }
  // A tombstone keeps what must not be NULL.
  const keeps = keepsAll || column.notNull ? ` AND (s._deleted_at IS NULL OR s.${name} IS NOT NULL)` : ''
  return `CASE WHEN ${newer}${keeps} THEN s.${name} ELSE t.${name} END`
}

/** The value of a column in a new row. */
function insertedValue(column: Column & { readonly quoted: string }): string {
  const value = `s.${column.quoted}`
  if (column.default === undefined) return value
  return `CASE WHEN ${isNamed('s', column)} THEN ${orDefault(column, value)} ELSE ${column.default} END`
}

/** The SQL expression for a value that an event names: the default where it is NULL and the column refuses NULL. */
export function orDefault(column: Column, value: string): string {
  return column.notNull && column.default !== undefined ? `coalesce(${value}, ${column.default})` : value
}

/**
 * JSON columns of both rows, read from the disk and unpacked once, and not once for each key: `||` does that. The OFFSET
 * keeps Postgres from putting the expressions in the place of the names.
 */
function unpacked(columns: readonly (readonly [row: 's' | 't', column: string, name: string])[]): string {
  const values = columns.map(
    ([row, column, name]) => `coalesce(${row}.${column}, '{}') || '{}'::jsonb AS ${name}`,
  )
  return `(SELECT ${values.join(', ')} OFFSET 0)`
}

const VERSIONS = [
  ['t', '_field_versions', 'tv'],
  ['s', '_field_versions', 'sv'],
] as const
const VERSIONS_UNPACKED = unpacked(VERSIONS)
const UNPACKED = unpacked([...VERSIONS, ['t', 'extra', 'tx'], ['s', 'extra', 'sx']])

const KEY_IS_NEWER = `coalesce(sv ->> key, s._version) COLLATE "C" > coalesce(tv ->> key, t._version) COLLATE "C"`

const STAGED_KEYS = `(SELECT *, jsonb_object_keys(sv) AS key FROM ${VERSIONS_UNPACKED} AS v) AS v`

/** Whether the stage knows something newer of a column or a key of extra. */
const HAS_NEWS = `EXISTS (SELECT FROM ${STAGED_KEYS} WHERE ${KEY_IS_NEWER})`

/** Whether the stage has a patch, and all of it is newer, as nearly always: then its keys overwrite those of the row. */
const IS_ALL_NEWS = `(s._version = '' AND NOT EXISTS (SELECT FROM ${STAGED_KEYS} WHERE NOT (${KEY_IS_NEWER})))`

/** Takes each key of a JSON column from the row that is newer for it; drops a key that the newer row lacks. */
function newerKeys(rows: string, t: string, s: string): string {
  return `(SELECT jsonb_object_agg(key, value) FROM (
    SELECT key, CASE WHEN ${KEY_IS_NEWER} THEN ${s} -> key ELSE ${t} -> key END AS value
    FROM (SELECT *, jsonb_object_keys(${t} || ${s}) AS key FROM ${rows} AS v) AS v) AS v WHERE value IS NOT NULL)`
}

/** Most rows have no field versions: for them Postgres does no work on JSON. */
function bookkeepingJoin({ columns }: Layout): string[] {
  // A value that did not fit its column stays in extra, until the column gets a newer one.
  const strays = `t.extra ?| array[${columns.map(({ name }) => literal(name)).join(', ')}]::text[]`
  return [
    `extra = CASE
    WHEN t.extra IS NULL AND s.extra IS NULL THEN NULL
    WHEN t._field_versions IS NULL AND s._field_versions IS NULL THEN s.extra
    WHEN (${strays}) IS NOT TRUE AND ${IS_ALL_NEWS} THEN coalesce(t.extra || s.extra, t.extra, s.extra)
    ELSE ${newerKeys(UNPACKED, 'tx', 'sx')} END`,
    `_field_versions = CASE
    WHEN t._field_versions IS NULL AND s._field_versions IS NULL THEN NULL
    WHEN ${IS_ALL_NEWS} THEN coalesce(t._field_versions || s._field_versions, s._field_versions)
    ELSE ${newerKeys(VERSIONS_UNPACKED, 'tv', 'sv')} END`,
    '_deleted_at = CASE WHEN s._version > t._version THEN s._deleted_at ELSE t._deleted_at END',
    '_version = greatest(t._version, s._version)',
  ]
}
