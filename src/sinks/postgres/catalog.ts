import type { Entity } from '../../../schemas/contract.js'
import type { Connection } from './connection.js'
import { SchemaError } from './errors.js'
import { type Column, Layout, snakeCase } from './layout.js'
import { checkNames } from './names.js'
import { tableName } from './statements.js'

/** An entity that has a place in Postgres. */
export type StoredEntity = Entity & { readonly postgres: NonNullable<Entity['postgres']> }

/** The entities that are kept in Postgres. @throws SchemaError where Postgres would cut a name of one */
export function storedEntities(entities: readonly Entity[]): StoredEntity[] {
  for (const entity of entities) checkNames(entity)
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
  readonly base: string
  readonly kind: Column['kind']
  readonly required: boolean
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

/**
 * Needs an empty search_path, so that Postgres writes types and defaults with their schemas. A default's type has no
 * length: of `character` and `bit` Postgres writes that with -1 alone, and with NULL the length is 1.
 */
const COLUMNS = `
  WITH RECURSIVE levels (attnum, depth, type, typmod, required, domain_default) AS (
    SELECT attnum, 0, atttypid, atttypmod, attnotnull, NULL::text COLLATE "C"
    FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT attnum, depth + 1, typbasetype, greatest(typmod, typtypmod), required OR typnotnull,
      coalesce(domain_default, pg_catalog.pg_get_expr(typdefaultbin, 0))
    FROM levels JOIN pg_catalog.pg_type ON oid = type WHERE typtype = 'd'
  ), bases AS (SELECT DISTINCT ON (attnum) * FROM levels ORDER BY attnum, depth DESC)
  SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    pg_catalog.format_type(b.type, b.typmod) AS base,
    CASE
      WHEN t.typcategory = 'A' THEN 'array'
      WHEN (${HOLDS}) = 'json' THEN 'json'
      ELSE 'scalar'
    END AS kind,
    (${HOLDS}) AS holds,
    b.required,
    '(' || coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), b.domain_default) || ')::'
      || pg_catalog.format_type(b.type, -1) AS default,
    a.attgenerated <> '' OR a.attidentity <> '' AS computed
  FROM pg_catalog.pg_attribute a
  JOIN bases b ON b.attnum = a.attnum
  JOIN pg_catalog.pg_type t ON t.oid = b.type
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = to_regclass($1)
  ORDER BY a.attnum`

/**
 * The columns that events can be written to; leaves out those that the table's owner or Postgres itself fills.
 * @param asker a transaction; its search_path is emptied, and standard_conforming_strings set
 * @throws SchemaError where the table, or a column for the contract or the bookkeeping, is missing
 */
export async function realColumns(asker: Asker, entity: StoredEntity): Promise<Column[]> {
  const { table, local = [] } = entity.postgres
  // Postgres writes a default with the literals of this session; they are read again with the same setting.
  await asker.none("SET LOCAL search_path = ''; SET LOCAL standard_conforming_strings = on")
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

function recorded(column: CatalogColumn, entity: StoredEntity): Column {
  const { name, type, base, kind, holds, required, default: defaultValue } = column
  const named = Object.entries(entity.postgres.columns ?? {}).find(([, column]) => column === name)
  return {
    name,
    type,
    base,
    kind,
    ...(holds !== null && { holds }),
    ...(required && { notNull: true }),
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
