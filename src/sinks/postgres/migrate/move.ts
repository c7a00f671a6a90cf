import { RejectedError } from '../../../errors.js'
import { parseExactly } from '../../../state/json.js'
import type { Version } from '../../../state/version.js'
import { bisect } from '../../bisect.js'
import { type Connection, copyIn } from '../connection.js'
import { encodeRecord, encodeValue, escapeText } from '../encode.js'
import { refusalOf } from '../errors.js'
import { orDefault } from '../join.js'
import type { Layout } from '../layout.js'
import { identifier, literal, tableName } from '../statements.js'

/** Values in `extra` to move to their column, which exists now. */
export interface Move {
  /** Position of the column in the layout. */
  readonly position: number
  /** Names of the values in `extra`. */
  readonly fields: readonly string[]
}

interface Row {
  readonly id: string
  readonly version: Version
  /** As text, because the driver would change numbers beyond 2^53. */
  readonly extra: string
  readonly versions: Readonly<Record<string, Version>> | null
}

/** What is to be done with the values of one row. */
interface Due {
  readonly id: string
  /** A line for COPY; `undefined` where the column has a newer value already, and those in `extra` only have to go. */
  readonly line: string | undefined
  /** How many values in `extra` it is about. */
  readonly values: number
  readonly versions: ReadonlyMap<string, Version>
}

/** Rows that are moved in one step. */
const PAGE = 1_000

/**
 * Moves values with their versions, in the connection's current transaction. Afterwards rows look as if they had been
 * written with the new layout from the start. A value that does not fit the column stays in `extra`.
 * @returns in how many rows a value was moved, and how many values do not fit the column
 */
export async function moveValues(
  connection: Connection,
  layout: Layout,
  move: Move,
): Promise<{ moved: number; kept: number }> {
  const column = layout.columns[move.position]
  if (column === undefined) throw new RangeError(`${layout.table} has no column at ${move.position}`)
  await connection.none(`
    CREATE TEMP TABLE move (id text, value ${column.base}, versions jsonb) ON COMMIT DROP;
    DECLARE due CURSOR FOR SELECT id, _version AS version, extra::text, _field_versions AS versions
      FROM ${tableName(layout.table)} WHERE extra ?| ${array(move.fields)}`)
  const statements = `
    SAVEPOINT page; COPY pg_temp.move FROM STDIN;
    UPDATE ${tableName(layout.table)} AS t
      SET ${identifier(column.name)} = ${orDefault(column, 'm.value')},
        extra = nullif(t.extra - ${array(move.fields)}, '{}'),
        _field_versions = m.versions
      FROM pg_temp.move AS m WHERE t.id = m.id;
    DELETE FROM pg_temp.move; RELEASE SAVEPOINT page`
  let [moved, kept] = [0, 0]
  for (;;) {
    const rows = await connection.any<Row>(`FETCH ${PAGE} FROM due`)
    if (rows.length === 0) break
    const due = rows.map((row) => judge(layout, move, row))
    kept += sum(due.filter((one) => typeof one === 'number'))
    const known = due.filter((one) => typeof one !== 'number')
    const moving = known.filter(({ line }) => line !== undefined)
    const refused = await bisect(moving, (part) =>
      writePage(
        connection,
        statements,
        part.flatMap(({ line }) => line ?? []),
      ),
    )
    moved += moving.length - refused.size
    kept += sum([...refused.keys()].map(({ values }) => values))
    await dropOutdated(
      connection,
      layout,
      move,
      known.filter(({ line }) => line === undefined),
    )
  }
  await connection.none('CLOSE due; DROP TABLE pg_temp.move')
  return { moved, kept }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

async function dropOutdated(
  connection: Connection,
  layout: Layout,
  { fields }: Move,
  due: readonly Due[],
): Promise<void> {
  if (due.length === 0) return
  const rows = due.map(({ id, versions }) => ({ id, versions: Object.fromEntries(versions) }))
  await connection.none(
    `UPDATE ${tableName(layout.table)} AS t
     SET extra = nullif(t.extra - ${array(fields)}, '{}'), _field_versions = nullif(d.versions, '{}')
     FROM jsonb_to_recordset($1::jsonb) AS d (id text, versions jsonb) WHERE t.id = d.id`,
    [JSON.stringify(rows)],
  )
}

async function writePage(
  connection: Connection,
  statements: string,
  lines: readonly string[],
): Promise<void> {
  try {
    await copyIn(connection, statements, lines)
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === undefined) throw error
    await connection.none('ROLLBACK TO SAVEPOINT page; RELEASE SAVEPOINT page')
    throw refusal
  }
}

/** @returns what is to be done · or, where the newest value cannot be stored, how many values stay in `extra` */
function judge(layout: Layout, { position, fields }: Move, row: Row): Due | number {
  const column = layout.columns[position]
  if (column === undefined) throw new RangeError(`${layout.table} has no column at ${position}`)
  const extra = parseExactly(row.extra) as Readonly<Record<string, unknown>>
  const versions = new Map(Object.entries(row.versions ?? {}))
  const versionOf = (name: string): Version => versions.get(name) ?? row.version
  const found = fields
    .filter((field) => Object.hasOwn(extra, field))
    .map((field) => [field, { value: extra[field], version: versionOf(field) }] as const)
    .sort((a, b) => (layout.outranks(position, a, b) ? -1 : 1))
  const [newest] = found
  if (newest === undefined) throw new RangeError(`there is nothing to move in the row ${row.id}`)
  const [, { value, version }] = newest
  const columnVersion = versionOf(column.name)
  for (const field of fields) if (field !== column.name) versions.delete(field)
  const due = { id: row.id, values: found.length, versions }
  if (columnVersion > version) return { ...due, line: undefined }
  versions.delete(column.name)
  // As encodeRow does it: no event has named a column with a default that is not noted.
  if (version > row.version || column.default !== undefined) versions.set(column.name, version)
  try {
    const line = [escapeText(row.id), encodeValue(column, value), encodeRecord(versions)].join('\t')
    return { ...due, line }
  } catch (error) {
    if (error instanceof RejectedError) return found.length
    throw error
  }
}

function array(texts: readonly string[]): string {
  return `array[${texts.map(literal).join(', ')}]::text[]`
}
