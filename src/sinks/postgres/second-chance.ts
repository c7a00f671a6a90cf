import pg from 'pg'
import { RejectedError } from '../../errors.js'
import type { Change } from '../sink.js'
import type { StagedRow, Variant } from './batch.js'
import { type Database, withConnection } from './connection.js'
import { joinRows } from './join.js'
import type { Layout } from './layout.js'
import { clearColumns, dropStaged, stageName } from './statements.js'

/** A row that Postgres has refused alone. */
interface Row extends StagedRow {
  readonly change: Change
}

/** Writes all rows in one transaction. @throws RejectedError where Postgres refuses at least one */
type Send = (rows: readonly Row[], variant?: Variant) => Promise<void>

/** Class of the violations of constraints. */
const CONSTRAINT = '23'
/** Those that depend on other rows: a missing reference, a taken value, an exclusion. */
const DEPENDS_ON_OTHERS = new Set(['23503', '23505', '23P01'])

/**
 * Tries refused rows again whose refusal does not have to be the last word, and takes those that are written now out of
 * `refused`:
 * - A tombstone holds NULL, which a constraint of the table may refuse. Such a tombstone keeps the row's values.
 * - A row may need another row of the batch that was not there yet, or a value that another row of the batch gives up
 *   or takes in return.
 * Costs at most 2 + k log2 n transactions for k rows among n that stay refused; nothing where no row was refused.
 * @throws what `send` throws, other than a RejectedError
 */
export async function secondChance(
  database: Database,
  refused: Map<Row, RejectedError>,
  send: Send,
  signal: AbortSignal,
): Promise<void> {
  for (const [row, error] of refused) {
    if (row.change.state.deleted && codeOf(error).startsWith(CONSTRAINT)) {
      const join = (layout: Layout) => joinRows(layout, stageName(layout), 'tombstones keep values')
      if ((await attempt(send, [row], { join })) === undefined) refused.delete(row)
    }
  }
  const byLayout = new Map<Layout, Row[]>()
  for (const [row, error] of refused) {
    if (!DEPENDS_ON_OTHERS.has(codeOf(error))) continue
    const others = byLayout.get(row.layout)
    if (others) others.push(row)
    else byLayout.set(row.layout, [row])
  }
  for (const [layout, rows] of byLayout) {
    const columns = await withConnection(database, `read the constraints of ${layout.table}`, signal, (one) =>
      one.map<string>(CLEARABLE, [layout.table], ({ name }) => name),
    )
    await exchange(layout, rows, columns, send, refused)
  }
}

function codeOf({ cause }: RejectedError): string {
  return cause instanceof pg.DatabaseError ? (cause.code ?? '') : ''
}

/** Columns of unique indexes and exclusion constraints, also within expressions, that may be NULL. */
const CLEARABLE = `
  SELECT DISTINCT a.attname AS name
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
  WHERE i.indrelid = pg_catalog.to_regclass('tributary.' || quote_ident($1)) AND (i.indisunique OR i.indisexclusion)
    AND a.attnum > 0 AND NOT a.attnotnull
    AND (a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
        AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum))`

/**
 * Writes rows together, after it has taken the columns' old values away from all of them. Where Postgres refuses that,
 * finds the first row that does not fit, leaves it out, and begins again.
 */
async function exchange(
  layout: Layout,
  rows: readonly Row[],
  columns: readonly string[],
  send: Send,
  refused: Map<Row, RejectedError>,
): Promise<void> {
  const clear = layout.columns.filter(({ name }) => columns.includes(name))
  const clearing = clear.length > 0 ? [clearColumns(layout, clear)] : []
  for (let open = [...rows]; open.length > 0; ) {
    let refusal = await attempt(send, open, { before: clearing })
    if (refusal === undefined) {
      for (const row of open) refused.delete(row)
      return
    }
    // The first `fit` rows can be written, the first `unfit` cannot.
    let [fit, unfit] = [0, open.length]
    while (unfit - fit > 1) {
      const middle = (fit + unfit) >> 1
      const left = dropStaged(
        layout,
        open.slice(middle).map(({ change }) => change.key),
      )
      const error = await attempt(send, open, { before: [...clearing, left], end: 'ROLLBACK' })
      if (error === undefined) fit = middle
      else [unfit, refusal] = [middle, error]
    }
    const [guilty] = open.splice(fit, 1)
    if (guilty !== undefined) refused.set(guilty, refusal)
  }
}

async function attempt(
  send: Send,
  rows: readonly Row[],
  variant: Variant,
): Promise<RejectedError | undefined> {
  try {
    await send(rows, variant)
    return undefined
  } catch (error) {
    if (error instanceof RejectedError) return error
    throw error
  }
}
