import { RejectedError } from '../../errors.js'
import { parseExactly } from '../../state/json.js'
import type { Version } from '../../state/version.js'
import { bisect } from '../bisect.js'
import { type Connection, copyIn } from './connection.js'
import { encodeRecord, encodeValue, escapeText } from './encode.js'
import { refusalOf } from './errors.js'
import type { Layout } from './layout.js'
import { identifier, literal, orDefault, tableName } from './statements.js'

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

/** Rows that are moved in one step. */
const PAGE = 1_000

/**
 * Moves values with their versions, in the connection's current transaction. Afterwards rows look as if they had been
 * written with the new layout from the start. A value that does not fit the column stays in `extra`.
 * @returns how many rows were moved, and in how many the value does not fit the column
 */
export async function moveValues(
  connection: Connection,
  layout: Layout,
  move: Move,
): Promise<{ moved: number; kept: number }> {
  const column = layout.columns[move.position]
  if (column === undefined) throw new RangeError(`${layout.table} has no column at ${move.position}`)
  await connection.none(`
    CREATE TEMP TABLE move (id text, value ${column.type}, versions jsonb) ON COMMIT DROP;
    DECLARE due CURSOR FOR SELECT id, _version AS version, extra::text, _field_versions AS versions
      FROM ${tableName(layout.table)} WHERE extra ?| ${array(move.fields)}`)
  const statements = `
    SAVEPOINT page; COPY move FROM STDIN;
    UPDATE ${tableName(layout.table)} AS t
      SET ${identifier(column.name)} = ${orDefault(column, 'm.value')},
        extra = nullif(t.extra - ${array(move.fields)}, '{}'),
        _field_versions = m.versions
      FROM move AS m WHERE t.id = m.id;
    DELETE FROM move; RELEASE SAVEPOINT page`
  let [moved, kept] = [0, 0]
  for (;;) {
    const rows = await connection.any<Row>(`FETCH ${PAGE} FROM due`)
    if (rows.length === 0) break
    const due: string[] = []
    for (const row of rows) {
      try {
        due.push(...encodeMove(layout, move, row))
      } catch (error) {
        if (!(error instanceof RejectedError)) throw error
        kept++
      }
    }
    const refused = await bisect(due, (part) => writePage(connection, statements, part))
    moved += due.length - refused.size
    kept += refused.size
  }
  await connection.none('CLOSE due; DROP TABLE move')
  return { moved, kept }
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

/**
 * A line for COPY; none where there is nothing to move, or the column already has a newer value.
 * @throws RejectedError where the column cannot have the value
 */
function encodeMove(layout: Layout, { position, fields }: Move, row: Row): [line: string] | [] {
  const column = layout.columns[position]
  const extra = parseExactly(row.extra) as Readonly<Record<string, unknown>>
  const versions = new Map(Object.entries(row.versions ?? {}))
  const versionOf = (name: string): Version => versions.get(name) ?? row.version
  const [newest] = fields
    .filter((field) => Object.hasOwn(extra, field))
    .map((field) => [field, { value: extra[field], version: versionOf(field) }] as const)
    .sort((a, b) => (layout.outranks(position, a, b) ? -1 : 1))
  if (column === undefined || newest === undefined) return []
  const [, { value, version }] = newest
  if (versionOf(column.name) > version) return []
  for (const field of fields) versions.delete(field)
  if (version > row.version) versions.set(column.name, version)
  return [[escapeText(row.id), encodeValue(column, value), encodeRecord(versions)].join('\t')]
}

function array(texts: readonly string[]): string {
  return `array[${texts.map(literal).join(', ')}]::text[]`
}
