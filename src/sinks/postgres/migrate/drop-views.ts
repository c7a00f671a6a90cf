import type pg from 'pg'
import type { Connection } from '../connection.js'
import { isOfSchema, SchemaError } from '../errors.js'
import type { StepOptions } from './adopt.js'
import { findView } from './find-view.js'
import type { Keepsakes } from './give-back.js'
import { keepsakesOf } from './keepsakes.js'
import { inTurn, reading } from './turn.js'

/**
 * Drops the views of these tables in one transaction, so that their owner can alter the tables' columns. Records what
 * the owner has made of them; the next `tributary migrate` gives it back.
 * @throws SchemaError where something depends on a view; nothing is changed then
 */
export async function dropViews(
  connection: Connection,
  tables: readonly string[],
  { report, dryRun }: StepOptions,
): Promise<void> {
  const work = async () => {
    for (const table of tables) await dropView(connection, table, { report, dryRun })
  }
  await (dryRun ? reading(connection, work) : inTurn(connection, report, work))
}

async function dropView(
  connection: Connection,
  table: string,
  { report, dryRun }: StepOptions,
): Promise<void> {
  const { exists, view } = await findView(connection, table)
  if (!exists) return
  const keepsakes = await keepsakesOf(connection, view)
  const kept = summary(keepsakes)
  if (dryRun) {
    const { needs } = await connection.one<{ needs: string[] }>(DEPENDING, [view])
    const refusal = needs.length > 0 ? `; refused while these depend on it: ${needs.join(', ')}` : ''
    return report(`Postgres: would drop the view public.${table}, and keep ${kept}${refusal}`)
  }
  await connection.none(
    `INSERT INTO tributary.kept_views (view_name, keepsakes) VALUES ($1, $2::jsonb)
     ON CONFLICT (view_name) DO UPDATE SET keepsakes = excluded.keepsakes, dropped_at = now()`,
    [table, JSON.stringify(keepsakes)],
  )
  try {
    await connection.none(`DROP VIEW ${view}`)
  } catch (error) {
    throw isOfSchema(error) ? obstacle(error, table, 'dropped') : error
  }
  report(`Postgres: dropped the view public.${table}, and kept ${kept}; \`tributary migrate\` makes it again`)
}

/** What depends on a view, and would go with it: not its own rules, triggers and defaults. */
const DEPENDING = `
  SELECT coalesce(array_agg(DISTINCT CASE WHEN r.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
    ELSE pg_describe_object('pg_class'::regclass, r.ev_class, 0) END), '{}') AS needs
  FROM pg_class v JOIN pg_type t ON t.typrelid = v.oid
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid
    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
  LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  WHERE v.oid = to_regclass($1) AND d.deptype = 'n' AND r.ev_class IS DISTINCT FROM v.oid`

/** What {@link dropViews} recorded of a view, where it has not been given back yet. */
export async function recordedOf(connection: Connection, table: string): Promise<Keepsakes | undefined> {
  const record = await connection.oneOrNone<{ keepsakes: Keepsakes }>(
    'SELECT keepsakes FROM tributary.kept_views WHERE view_name = $1',
    [table],
  )
  return record?.keepsakes
}

/** What an owner has made of a view, in words. */
export function summary({ owner, options, statements }: Keepsakes): string {
  const parts = [`the owner ${owner}`, ...options, ...new Set(statements.map(({ what }) => what))]
  return parts.join(', ')
}

/** SQLSTATE with which Postgres refuses to drop what other objects depend on. */
const DEPENDENTS = '2BP01'

/** What keeps a view from being made or dropped, and what to do. */
export function obstacle(error: pg.DatabaseError, table: string, done = 'made'): SchemaError {
  const reason = [error.message, error.detail].filter(Boolean).join('; ')
  const again = 'and run `tributary migrate` again'
  const remedy =
    error.code === DEPENDENTS
      ? `drop what depends on it, ${again}, then create the dependents again`
      : `nothing is changed: remove the cause, ${again}`
  return new SchemaError(`the view public.${table} cannot be ${done}: ${reason}; ${remedy}`, { cause: error })
}
