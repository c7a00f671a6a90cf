import pg from 'pg'
import type { Column, Layout } from './layout.js'

/** The lock that batches share, and that a change of the layout holds alone. 0001_base.sql uses the same key. */
export const LAYOUT_LOCK = "hashtextextended('tributary.layout', 0)"

/** Quote a name and a text for SQL. */
export const { escapeIdentifier: identifier, escapeLiteral: literal } = pg

/** The quoted name of a table, with its schema. */
export function tableName(table: string): string {
  return `tributary.${identifier(table)}`
}

const BOOKKEEPING = ['extra', '_version', '_field_versions', '_deleted_at'] as const

/** The name contains the generation, so that a connection can be used after the layout has changed. */
function nameOf(thing: 'stage' | 'write', { table, generation }: Layout): string {
  return identifier(`${thing}_${generation}_${table}`)
}

/**
 * Makes a connection ready to write to a table: needed once for each connection and generation. The stage table has
 * the recorded types, so that a column which was altered since causes an error of the schema, not rejected rows.
 */
export function prepareStatements(layout: Layout): string {
  const stage = nameOf('stage', layout)
  const columns = layout.columns.map(({ name, type }) => `${identifier(name)} ${type}`)
  const bookkeeping = [
    'extra jsonb',
    '_version text COLLATE "C"',
    '_field_versions jsonb',
    '_deleted_at timestamptz',
  ]
  return [
    expectLayout(layout),
    // Postgres must read a text the same way everywhere, and what is acknowledged must survive a crash.
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, MDY'",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    `CREATE TEMP TABLE IF NOT EXISTS ${stage} (${['id text', ...columns, ...bookkeeping].join(', ')}) ON COMMIT DELETE ROWS`,
    `PREPARE ${nameOf('write', layout)} AS ${upsert(layout)}`,
  ].join('; ')
}

function expectLayout({ table, generation }: Layout): string {
  return `CALL tributary.expect_layout(${literal(table)}, ${generation})`
}

/** The statements that take one table's rows of a batch; the last is a COPY. */
export function stageStatements(layout: Layout): string {
  return `${expectLayout(layout)}; ${copyStatement(layout)}`
}

/** The COPY statement alone. */
export function copyStatement(layout: Layout): string {
  return `COPY ${nameOf('stage', layout)} FROM STDIN`
}

/** The statement that joins the rows of the stage table into the table. */
export function joinStatement(layout: Layout): string {
  return `EXECUTE ${nameOf('write', layout)}`
}

/**
 * `join` of src/state/state.ts in SQL: joins stored rows (t) with new rows (excluded). A column or a key of extra has
 * its version in _field_versions, else the row's version. Rows are written in key order, so that workers do not
 * deadlock; a row for which nothing is new is not written.
 */
function upsert(layout: Layout): string {
  const names = layout.columns.map(({ name }) => identifier(name))
  const all = ['id', ...names, ...BOOKKEEPING]
  const assignments = layout.columns.map(
    ({ name }) =>
      `${identifier(name)} = CASE WHEN ${versionIn('excluded', literal(name))} > ${versionIn('t', literal(name))}
        THEN excluded.${identifier(name)} ELSE t.${identifier(name)} END`,
  )
  return `
    INSERT INTO ${tableName(layout.table)} AS t (${all.join(', ')})
    SELECT ${['id', ...layout.columns.map((column) => orDefault(column, identifier(column.name))), ...BOOKKEEPING].join(', ')}
    FROM ${nameOf('stage', layout)} ORDER BY id COLLATE "C"
    ON CONFLICT (id) DO UPDATE SET
      ${[...assignments, ...BOOKKEEPING_JOIN].join(',\n')}
    WHERE excluded._version > t._version
      OR excluded._field_versions IS NOT NULL AND EXISTS (
        SELECT FROM jsonb_each_text(excluded._field_versions) AS news
        WHERE news.value COLLATE "C" > ${versionIn('t', 'news.key')})`
}

/** The SQL expression for a column's value: its default where the value is NULL and the column is NOT NULL. */
export function orDefault(column: Column, value: string): string {
  return column.default === undefined ? value : `coalesce(${value}, ${column.default})`
}

/** The version of a column or of a key in extra. @param key an SQL expression for its name */
function versionIn(row: 't' | 'excluded', key: string): string {
  return `coalesce(${row}._field_versions ->> ${key}, ${row}._version) COLLATE "C"`
}

/** Takes each key of a JSON column from the row that is newer for it; drops a key that the newer row lacks. */
function newerKeys(column: 'extra' | '_field_versions'): string {
  return `(SELECT jsonb_object_agg(key, value) FROM (
      SELECT key, value FROM jsonb_each(t.${column})
      WHERE ${versionIn('t', 'key')} >= ${versionIn('excluded', 'key')}
      UNION ALL SELECT key, value FROM jsonb_each(excluded.${column})
      WHERE ${versionIn('excluded', 'key')} > ${versionIn('t', 'key')}) AS newer)`
}

/** Most rows have no field versions: for them Postgres does no work on JSON. */
const BOOKKEEPING_JOIN = [
  `extra = CASE
    WHEN t.extra IS NULL AND excluded.extra IS NULL THEN NULL
    WHEN t._field_versions IS NULL AND excluded._field_versions IS NULL THEN excluded.extra
    ELSE ${newerKeys('extra')} END`,
  `_field_versions = CASE
    WHEN t._field_versions IS NULL AND excluded._field_versions IS NULL THEN NULL
    ELSE ${newerKeys('_field_versions')} END`,
  '_deleted_at = CASE WHEN excluded._version > t._version THEN excluded._deleted_at ELSE t._deleted_at END',
  '_version = greatest(t._version, excluded._version)',
]
