import type { Connection } from '../connection.js'
import type { Keepsake } from './give-back.js'

interface Grant {
  readonly column: string | null
  readonly grantor: string
  readonly grantee: string
  readonly grantable: boolean
  readonly sql: string
}

const GRANTS = `
  SELECT attname::text AS column, pg_get_userbyid(acl.grantor)::text AS grantor, is_grantable AS grantable,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END AS grantee,
    format('GRANT %s%s ON %s TO %s%s', privilege_type, ' (' || quote_ident(attname) || ')', $1,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS sql
  FROM (
    SELECT NULL::name AS attname, 0 AS attnum, coalesce(relacl, acldefault('r', relowner)) AS list
    FROM pg_class WHERE oid = to_regclass($1)
    UNION ALL SELECT attname, attnum, attacl FROM pg_attribute WHERE attrelid = to_regclass($1) AND attacl IS NOT NULL
  ) AS lists, aclexplode(list) AS acl
  ORDER BY attnum`

/**
 * The grants on a view and its columns, each with the role that granted it; a grantor's own grant comes first.
 * @param view its quoted name, with the schema
 */
export async function grantsOf(connection: Connection, view: string, owner: string): Promise<Keepsake[]> {
  let waiting = await connection.any<Grant>(GRANTS, [view])
  const ordered: Grant[] = []
  const able = new Set([owner])
  while (waiting.length > 0) {
    const ready = waiting.filter(({ grantor }) => able.has(grantor))
    // Postgres knows no grant without a grantor who may grant; should it, the statement fails and says so.
    const next = ready.length > 0 ? ready : waiting
    ordered.push(...next)
    for (const { grantable, grantee } of next) if (grantable) able.add(grantee)
    waiting = waiting.filter((grant) => !next.includes(grant))
  }
  return ordered.map(({ column, grantor, grantee, sql }) => ({
    what: `the grant to ${grantee}${column === null ? '' : ` on ${column}`}`,
    sql,
    role: grantor,
    ...(column !== null && { column }),
  }))
}
