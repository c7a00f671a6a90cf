import type { Connection } from '../connection.js'
import { isOfSchema, SchemaError } from '../errors.js'
import { identifier, literal } from '../statements.js'

/** What an owner has made of a view, and what `DROP VIEW` would lose. */
export interface Keepsakes {
  /** Name of the role that owns it. */
  readonly owner: string
  /** `name=value`, as in `pg_class.reloptions`. */
  readonly options: readonly string[]
  /** They make the rest again, in this order. */
  readonly statements: readonly Keepsake[]
}

/** One thing that an owner has made. */
export interface Keepsake {
  /** For people: `the comment on email`. */
  readonly what: string
  readonly sql: string
  /** The column of the view that it needs. */
  readonly column?: string
  /** The role that has to run it: who granted a privilege may take it back. */
  readonly role?: string
}

/** The statement that creates a view with its options. */
export function createView(view: string, options: readonly string[], definition: string): string {
  return `CREATE VIEW ${view}${optionsClause(options)} AS ${definition}`
}

/** ` WITH (...)`, or nothing: without it CREATE OR REPLACE VIEW resets the options, security_invoker too. */
export function optionsClause(options: readonly string[]): string {
  if (options.length === 0) return ''
  const settings = options.map((option) => {
    const [name = '', ...value] = option.split('=')
    return `${identifier(name)} = ${literal(value.join('='))}`
  })
  return ` WITH (${settings.join(', ')})`
}

/**
 * Gives a view that was just created what its owner had made of the one before, in the connection's transaction.
 * @param columns the view's columns
 * @returns what it could not give back, because the column is gone
 * @throws SchemaError where Postgres refuses one of the statements; the transaction has failed then
 */
export async function giveBack(
  connection: Connection,
  view: string,
  { owner, statements }: Keepsakes,
  columns: readonly string[],
): Promise<Keepsake[]> {
  const lost = statements.filter(({ column }) => column !== undefined && !columns.includes(column))
  const rest = statements.filter((keepsake) => !lost.includes(keepsake))
  const grants = rest.filter(({ role }) => role !== undefined)
  for (const keepsake of rest) if (keepsake.role === undefined) await run(connection, view, keepsake)
  const change = `ALTER VIEW ${view} OWNER TO ${identifier(owner)}`
  const { current } = await connection.one<{ current: string }>('SELECT current_user::text AS current')
  if (owner !== current) await run(connection, view, { what: `the owner ${owner}`, sql: change })
  // Default privileges may have given others more than they had.
  await takeAllGrants(connection, view)
  for (const keepsake of grants) await run(connection, view, keepsake, owner)
  return lost
}

async function run(
  connection: Connection,
  view: string,
  { what, sql, role }: Keepsake,
  owner = role,
): Promise<void> {
  try {
    if (role === undefined || role === owner) return void (await connection.none(sql))
    await connection.none(`SET LOCAL ROLE ${identifier(role)}`)
    await connection.none(sql)
    await connection.none('RESET ROLE')
  } catch (error) {
    if (!isOfSchema(error)) throw error
    const as = role === undefined ? '' : ` as ${role}`
    throw new SchemaError(
      `the view ${view} cannot be made: it would lose ${what}: ${error.message}; nothing is changed: let a role ` +
        `migrate that may run "${sql}"${as}, or remove what is in the way, and run \`tributary migrate\` again`,
      { cause: error },
    )
  }
}

/** Revokes every privilege on a view, its owner's too. */
async function takeAllGrants(connection: Connection, view: string): Promise<void> {
  const grantees = await connection.any<{ grantee: string }>(
    `SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
     FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) WHERE oid = to_regclass($1)`,
    [view],
  )
  for (const { grantee } of grantees) await connection.none(`REVOKE ALL ON ${view} FROM ${grantee} CASCADE`)
}
