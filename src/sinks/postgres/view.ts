import pg from 'pg'
import type { Connection } from './connection.js'
import { SchemaError } from './errors.js'
import { tableName } from './statements.js'

const { escapeIdentifier: identifier } = pg

/** SQLSTATEs with which Postgres refuses to make a view. */
const NOT_APPENDED = '42P16'
const DEPENDENTS = '2BP01'
const NOT_A_VIEW = '42809'

/**
 * Makes `public.<table>`, the view for readers: the rows that are not deleted, with all columns whose names do not
 * start with an underscore. Leaves a correct view alone. Replaces another one in place where Postgres can; else drops
 * and creates it in one transaction, with the same grants.
 * @throws SchemaError where an object of the owner stands in the way
 */
export async function remakeView(
  connection: Connection,
  table: string,
  report: (line: string) => void,
): Promise<void> {
  const view = `public.${identifier(table)}`
  const definition = await definitionOf(connection, table)
  if (await isDefinedAs(connection, view, definition)) return
  try {
    await connection.none(`CREATE OR REPLACE VIEW ${view} AS ${definition}`)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    if (error.code !== NOT_APPENDED) throw obstacle(error, table)
    await recreate(connection, view, definition).catch((cause: unknown) => {
      throw cause instanceof pg.DatabaseError ? obstacle(cause, table) : cause
    })
  }
  report(`Postgres: made the view public.${table}`)
}

async function definitionOf(connection: Connection, table: string): Promise<string> {
  const columns = await connection.any<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND NOT starts_with(attname, '_')
     ORDER BY attnum`,
    [tableName(table)],
  )
  const names = columns.map(({ name }) => identifier(name)).join(', ')
  return `SELECT ${names} FROM ${tableName(table)} WHERE _deleted_at IS NULL`
}

/** Replacing a view waits for all its readers, so it is only replaced where the definition differs. */
async function isDefinedAs(connection: Connection, view: string, definition: string): Promise<boolean> {
  await connection.none(`CREATE TEMP VIEW wanted AS ${definition}`)
  const { same } = await connection.one<{ same: boolean | null }>(
    "SELECT pg_get_viewdef(to_regclass($1)) = pg_get_viewdef('pg_temp.wanted'::regclass) AS same",
    [view],
  )
  await connection.none('DROP VIEW pg_temp.wanted')
  return same === true
}

async function recreate(connection: Connection, view: string, definition: string): Promise<void> {
  await connection.tx(async (transaction) => {
    const grants = await transaction.any<{ statement: string }>(
      `SELECT format('GRANT %s ON %s TO %s%s', privilege_type, $1,
         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
         CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
       FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass($1) AND grantee <> relowner`,
      [view],
    )
    await transaction.none(`DROP VIEW ${view}`)
    await transaction.none(`CREATE VIEW ${view} AS ${definition}`)
    for (const { statement } of grants) await transaction.none(statement)
  })
}

function obstacle(error: pg.DatabaseError, table: string): SchemaError {
  const reason = [error.message, error.detail].filter(Boolean).join('; ')
  return new SchemaError(`the view public.${table} cannot be made: ${reason}; ${remedyFor(error, table)}`, {
    cause: error,
  })
}

function remedyFor({ code }: pg.DatabaseError, table: string): string {
  const again = 'and run `tributary migrate` again'
  if (code === DEPENDENTS) return `drop what depends on it, ${again}, then create the dependents again`
  if (code === NOT_A_VIEW)
    return `rename it (ALTER TABLE public.${table} RENAME TO ${table}_before_tributary), ${again}`
  return `remove the cause, ${again}`
}
