import type { Connection } from '../connection.js'
import type { Keepsake, Keepsakes } from './give-back.js'
import { grantsOf } from './grants.js'

/** Each makes rows (what, sql, column). $1 is the view's quoted name. */
const STATEMENTS = [
  `SELECT 'the default of ' || attname, format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', $1, attname,
     pg_get_expr(adbin, adrelid)), attname::text
   FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
   WHERE adrelid = to_regclass($1) ORDER BY attnum`,
  `SELECT 'the trigger ' || tgname, pg_get_triggerdef(oid), NULL
   FROM pg_trigger WHERE tgrelid = to_regclass($1) AND NOT tgisinternal ORDER BY tgname`,
  `SELECT 'the rule ' || rulename, rtrim(pg_get_ruledef(oid), ';'), NULL
   FROM pg_rewrite WHERE ev_class = to_regclass($1) AND rulename <> '_RETURN' ORDER BY rulename`,
  `SELECT 'the comment on ' || coalesce(attname, 'the view'),
     format('COMMENT ON %s %s%s IS %L', CASE objsubid WHEN 0 THEN 'VIEW' ELSE 'COLUMN' END, $1,
       '.' || quote_ident(attname), description), attname::text
   FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0
   WHERE objoid = to_regclass($1) AND classoid = 'pg_class'::regclass ORDER BY objsubid`,
  `SELECT 'the comment on the trigger ' || tgname, format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, $1, description),
     NULL
   FROM pg_description JOIN pg_trigger ON pg_trigger.oid = objoid
   WHERE classoid = 'pg_trigger'::regclass AND tgrelid = to_regclass($1) ORDER BY tgname`,
  `SELECT 'the comment on the rule ' || rulename, format('COMMENT ON RULE %I ON %s IS %L', rulename, $1, description),
     NULL
   FROM pg_description JOIN pg_rewrite ON pg_rewrite.oid = objoid
   WHERE classoid = 'pg_rewrite'::regclass AND ev_class = to_regclass($1) ORDER BY rulename`,
  `SELECT 'the security label of ' || coalesce(attname, 'the view'),
     format('SECURITY LABEL FOR %I ON %s %s%s IS %L', provider, CASE objsubid WHEN 0 THEN 'VIEW' ELSE 'COLUMN' END, $1,
       '.' || quote_ident(attname), label), attname::text
   FROM pg_seclabel LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid AND attnum > 0
   WHERE objoid = to_regclass($1) AND classoid = 'pg_class'::regclass ORDER BY objsubid`,
]

/**
 * Reads what an owner has made of a view. The search_path must be empty, so that Postgres writes names in full.
 * @param view its quoted name, with the schema
 */
export async function keepsakesOf(connection: Connection, view: string): Promise<Keepsakes> {
  const { owner, options } = await connection.one<{ owner: string; options: string[] }>(
    `SELECT pg_get_userbyid(relowner)::text AS owner, coalesce(reloptions, '{}') AS options
     FROM pg_class WHERE oid = to_regclass($1)`,
    [view],
  )
  const statements: Keepsake[] = []
  for (const select of STATEMENTS) {
    const rows = await connection.any<{ what: string; sql: string; column: string | null }>(
      `SELECT * FROM (${select}) AS keepsake (what, sql, "column")`,
      [view],
    )
    statements.push(
      ...rows.map(({ what, sql, column }) => ({ what, sql, ...(column !== null && { column }) })),
    )
  }
  return { owner, options, statements: [...statements, ...(await grantsOf(connection, view, owner))] }
}
