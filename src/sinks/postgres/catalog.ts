import type { Entity } from '../../../schemas/contract.js'
import type { Connection } from './connection.js'
import { SchemaError } from './errors.js'
import { type Column, Layout, snakeCase } from './layout.js'
import { tableName } from './statements.js'

/** An entity that has a place in Postgres. */
export type StoredEntity = Entity & { readonly postgres: NonNullable<Entity['postgres']> }

/** The entities that are kept in Postgres. */
export function storedEntities(entities: readonly Entity[]): StoredEntity[] {
  return entities.filter((entity): entity is StoredEntity => entity.postgres !== undefined)
}

/** Columns that Tributary itself needs in every table. */
const REQUIRED = ['id', 'extra', '_version', '_field_versions', '_deleted_at']

/** Runs queries: a connection or a transaction. */
export type Asker = Pick<Connection, 'any' | 'none'>

/** The layouts as `tributary migrate` recorded them, by table. */
export async function recordedLayouts(asker: Asker): Promise<Map<string, Layout>> {
  const rows = await asker.any<{ table_name: string; generation: number; columns: Column[] }>(
    'SELECT table_name, generation, columns FROM tributary.layout',
  )
  return new Map(
    rows.map(({ table_name, generation, columns }) => [
      table_name,
      new Layout(table_name, generation, columns),
    ]),
  )
}

interface CatalogColumn {
  readonly name: string
  readonly type: string
  readonly kind: Column['kind']
  readonly holds: 'json' | 'time' | null
  readonly default: string | null
  readonly computed: boolean
}

/** What a column holds below domains, arrays and ranges. */
const HOLDS = `
  WITH RECURSIVE within (type, depth) AS (
    SELECT a.atttypid, 0
    UNION ALL
    SELECT CASE WHEN w.typtype = 'd' THEN w.typbasetype
      ELSE coalesce(r.rngsubtype, w.typelem) END, depth + 1
    FROM within JOIN pg_catalog.pg_type w ON w.oid = type
    LEFT JOIN pg_catalog.pg_range r ON w.oid IN (r.rngtypid, r.rngmultitypid)
    WHERE w.typtype IN ('d', 'r', 'm') OR w.typcategory = 'A'
  ) SELECT CASE
      WHEN type IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'
      WHEN type IN ('date'::regtype, 'time'::regtype, 'timetz'::regtype,
        'timestamp'::regtype, 'timestamptz'::regtype) THEN 'time'
    END FROM within ORDER BY depth DESC LIMIT 1`

/** Needs an empty search_path, so that Postgres writes types and defaults with their schemas. */
const COLUMNS = `
  SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    CASE
      WHEN t.typcategory = 'A' THEN 'array'
      WHEN (${HOLDS}) = 'json' THEN 'json'
      ELSE 'scalar'
    END AS kind,
    (${HOLDS}) AS holds,
    CASE WHEN a.attnotnull THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS default,
    a.attgenerated <> '' OR a.attidentity <> '' AS computed
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attnum`

/**
 * The columns that events can be written to; leaves out those that the table's owner or Postgres itself fills.
 * @param asker a transaction; its search_path is emptied
 * @throws SchemaError where the table, or a column for the contract or the bookkeeping, is missing
 */
export async function realColumns(asker: Asker, entity: StoredEntity): Promise<Column[]> {
  const { table, local = [] } = entity.postgres
  await asker.none("SET LOCAL search_path = ''")
  const found = await asker.any<CatalogColumn>(COLUMNS, [tableName(table)])
  if (found.length === 0) {
    throw new SchemaError(
      `Postgres has no table tributary.${table}: add a file to migrations/postgres that creates it`,
    )
  }
  const names = new Set(found.map(({ name }) => name))
  const missing = REQUIRED.filter((name) => !names.has(name))
  if (missing.length > 0) {
    throw new SchemaError(
      `tributary.${table} has no column ${missing.join(', ')}: add it as in 0001_base.sql`,
    )
  }
  const columns = found
    .filter(({ name, computed }) => !(computed || REQUIRED.includes(name) || local.includes(name)))
    .filter(({ name }) => !name.startsWith('_'))
    .map((column) => recorded(column, entity))
  requireFields(entity, columns)
  return columns
}

function recorded(
  { name, type, kind, holds, default: defaultValue }: CatalogColumn,
  entity: StoredEntity,
): Column {
  const named = Object.entries(entity.postgres.columns ?? {}).find(([, column]) => column === name)
  return {
    name,
    type,
    kind,
    ...(holds !== null && { holds }),
    ...(defaultValue !== null && { default: defaultValue }),
    ...(named && { field: named[0] }),
  }
}

function requireFields(entity: StoredEntity, columns: readonly Column[]): void {
  const { table, columns: named = {} } = entity.postgres
  const layout = new Layout(table, 0, columns)
  for (const field of entity.fields) {
    if (layout.positionOf(field) !== undefined) continue
    const wanted = named[field] ?? snakeCase(field)
    const remedy = `ALTER TABLE tributary.${table} ADD COLUMN ${wanted} ..., then run \`tributary migrate\``
    throw new SchemaError(`tributary.${table} has no column ${wanted} for the field ${field}: ${remedy}`)
  }
}
