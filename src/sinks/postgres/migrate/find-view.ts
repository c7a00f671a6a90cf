import { isDeepStrictEqual } from 'node:util'
import type { Connection } from '../connection.js'
import { SchemaError } from '../errors.js'
import { identifier, tableName } from '../statements.js'
import { emptyPath } from './turn.js'

const AGAIN = 'and run `tributary migrate` again'

/** The view of a table for readers, as it is and as it should be. */
export interface FoundView {
  /** Quoted, with the schema. */
  readonly view: string
  readonly table: string
  readonly exists: boolean
  /** Whether it is as it should be. */
  readonly right: boolean
  /** Whether its columns are recorded, so that a change of its owner is noticed. */
  readonly noted: boolean
  /** Whether Postgres can replace it in place: all its columns stay, in their order. */
  readonly grows: boolean
  readonly options: readonly string[]
  /** Columns that it should have. */
  readonly columns: readonly string[]
  /** What it should be, after `AS`. */
  readonly definition: string
}

/**
 * Compares a view with what it should be, in the connection's current transaction; its search_path is emptied. Reads
 * catalogs, and makes no view to compare with: a role that may only read can do it.
 * @throws SchemaError where something else has its name, or another definition
 */
export async function findView(connection: Connection, table: string): Promise<FoundView> {
  const view = `public.${identifier(table)}`
  await emptyPath(connection)
  const wanted = await connection.any<{ name: string; quoted: string }>(
    `SELECT attname AS name, quote_ident(attname) AS quoted FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND NOT starts_with(attname, '_')
     ORDER BY attnum`,
    [tableName(table)],
  )
  const columns = wanted.map(({ name }) => name)
  const from = `${tableName(table)} WHERE _deleted_at IS NULL`
  const definition = `SELECT ${columns.map((name) => identifier(name)).join(', ')} FROM ${from}`
  const present = await connection.oneOrNone<{
    kind: string
    quoted: string
    options: string[]
    text: string | null
    names: string[]
  }>(
    `SELECT relkind AS kind, quote_ident(relname) AS quoted, coalesce(reloptions, '{}') AS options,
       CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END AS text,
       (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS names
     FROM pg_class c WHERE oid = to_regclass($1)`,
    [view],
  )
  const { made } = await connection.one<{ made: string[] | null }>(
    'SELECT (SELECT view_columns FROM tributary.layout WHERE table_name = $1) AS made',
    [table],
  )
  const base = { view, table, columns, definition, noted: made !== null }
  if (present === null) return { ...base, exists: false, right: false, grows: false, options: [] }
  const { kind, quoted, options, names } = present
  if (kind !== 'v') throw notAView(table)
  // Before version 16, Postgres writes the table's name before each column.
  const plain = (sql: string) => sql.replace(/\s+/g, ' ').trim().replaceAll(`${quoted}.`, '')
  const text = plain(present.text ?? '')
  const end = plain(`FROM tributary.${quoted} WHERE (_deleted_at IS NULL);`)
  const items = plain(wanted.map((column) => column.quoted).join(', '))
  const start = 'SELECT '
  const ours = text.startsWith(start) && text.endsWith(` ${end}`)
  // A column that was renamed in the table keeps its name in the view. Versions up to 0.2.0 have recorded nothing.
  const changed = made !== null && !isDeepStrictEqual(names, made)
  if (changed || !ours || !COLUMNS.test(text.slice(start.length, -end.length - 1))) {
    throw new SchemaError(
      `the view public.${table} is not as Tributary made it: migrate would lose its definition; ` +
        `rename it (ALTER VIEW public.${table} RENAME TO ...) or drop it, ${AGAIN}`,
    )
  }
  const grows = names.every((name, index) => name === columns[index])
  return { ...base, exists: true, right: text === `${start}${items} ${end}`, grows, options }
}

/** A list of columns, some with another name: so Postgres writes our view after a column was renamed. */
const NAME = '(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)'
const COLUMN = `${NAME}(?: AS ${NAME})?`
const COLUMNS = new RegExp(`^${COLUMN}(?:, ${COLUMN})*$`)

function notAView(table: string): SchemaError {
  const remedy = `rename it (ALTER TABLE public.${table} RENAME TO ${table}_before_tributary), ${AGAIN}`
  return new SchemaError(`the view public.${table} cannot be made: "${table}" is not a view; ${remedy}`)
}
