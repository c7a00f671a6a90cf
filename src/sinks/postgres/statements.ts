import pg from 'pg'
import { isNewer, joinRows } from './join.js'
import type { Column, Layout } from './layout.js'

/** The lock that batches share, and that a change of the layout holds alone. migrations/postgres use the same key. */
export const LAYOUT_LOCK = "hashtextextended('tributary.layout', 0)"

/** Quote a name and a text for SQL. */
export const { escapeIdentifier: identifier, escapeLiteral: literal } = pg

/** The quoted name of a table, with its schema. */
export function tableName(table: string): string {
  return `tributary.${identifier(table)}`
}

/** Part of a statement's time for a lock: a row that waits for a lock is no slow row. */
const LOCK_SHARE = 0.8

/**
 * Begins a transaction for a batch. Postgres parses the statements of a query before it runs the first one. So a
 * statement that depends on how literals are read must be sent after this one, and not with it.
 * @param layouts of the batch's tables
 * @param statementMs longest time for a statement, in milliseconds
 */
export function begin(layouts: readonly Layout[], statementMs: number): string {
  const calls = layouts.map(
    ({ table, generation, fingerprint }) =>
      `CALL tributary.begin_batch(${literal(table)}, ${generation}, ${literal(fingerprint)}, ${Math.ceil(statementMs)})`,
  )
  // The server must show what was committed while the batch waited for the layout's lock.
  const lock = `SET LOCAL lock_timeout = ${Math.ceil(statementMs * LOCK_SHARE)}`
  return ['BEGIN ISOLATION LEVEL READ COMMITTED', lock, ...calls].join('; ')
}

/** The quoted name of the stage table. It changes with the columns: a connection can be used after they have changed. */
export function stageName({ generation, fingerprint }: Layout): string {
  return identifier(`tributary_stage_${generation}_${fingerprint}`)
}

/** The quoted name of the prepared join; it changes with the columns, too. */
export function joinName({ generation, fingerprint }: Layout): string {
  return identifier(`tributary_join_${generation}_${fingerprint}`)
}

/**
 * The table that takes a batch's rows. It has the columns' types of the moment, so that Postgres refuses a value here,
 * where it names the column, and rounds none to a type that the column no longer has.
 */
export function createStage(layout: Layout, onCommit: 'DELETE ROWS' | 'DROP'): string {
  const columns = [
    'id text',
    ...layout.columns.map(({ name, base }) => `${identifier(name)} ${base}`),
    'extra jsonb',
    '_version text COLLATE "C"',
    '_field_versions jsonb',
    '_deleted_at timestamptz',
  ]
  return `CREATE TEMP TABLE IF NOT EXISTS ${stageName(layout)} (${columns.join(', ')}) ON COMMIT ${onCommit}`
}

/** Prepares the join on a connection: Postgres parses and plans it once. */
export function prepareJoin(layout: Layout): string {
  return `PREPARE ${joinName(layout)} AS ${joinStaged(layout)}`
}

/** The COPY into the stage. */
export function copyStatement(layout: Layout): string {
  return `COPY ${stageName(layout)} FROM STDIN`
}

/** The prepared join of the staged rows into the table. */
export function executeJoin(layout: Layout): string {
  return `EXECUTE ${joinName(layout)}`
}

/** The join of the staged rows into the table, in full. */
export function joinStaged(layout: Layout): string {
  return joinRows(layout, stageName(layout))
}

/** Sets columns to NULL in the rows for which the stage has a newer value: the values are free for other rows then. */
export function clearColumns(layout: Layout, columns: readonly Column[]): string {
  const cleared = columns.map((column) => {
    const name = identifier(column.name)
    return `${name} = CASE WHEN ${isNewer(column)} THEN NULL ELSE t.${name} END`
  })
  return `UPDATE ${tableName(layout.table)} AS t SET ${cleared.join(', ')} FROM ${stageName(layout)} AS s WHERE t.id = s.id`
}

/** Takes rows out of the stage. */
export function dropStaged(layout: Layout, keys: readonly string[]): string {
  return `DELETE FROM ${stageName(layout)} WHERE id IN (${keys.map(literal).join(', ')})`
}
