import pg from 'pg'
import { RejectedError } from '../../errors.js'
import type { Change } from '../sink.js'
import { ROLLBACK, type StagedRow, type Variant } from './batch.js'
import { type Database, withConnection } from './connection.js'
import { joinRows } from './join.js'
import type { Layout } from './layout.js'
import { clearColumns, dropStaged, stageName } from './statements.js'

/** A row that Postgres has refused alone. */
interface Row extends StagedRow {
  readonly change: Change
}

/** Transactions for the rows of one table after which no other row is looked for: other batches wait meanwhile. */
const MOST_TRIALS = 40

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
 * Costs nothing where no row was refused; else one or two transactions for each refused tombstone, and for each table about
 * {@link MOST_TRIALS}. Where those are not enough, because very many rows stay refused, the rest stays refused, too.
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
      if (await isBuried(row, error, send)) refused.delete(row)
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

/** Writes a refused tombstone alone. @returns whether it is written */
async function isBuried(row: Row, error: RejectedError, send: Send): Promise<boolean> {
  // Another worker may have inserted the row at the same moment: then a tombstone that is empty may be written now.
  if (DEPENDS_ON_OTHERS.has(codeOf(error)) && (await attempt(send, [row], {})) === undefined) return true
  const join = (layout: Layout) => joinRows(layout, stageName(layout), 'tombstones keep values')
  return (await attempt(send, [row], { join })) === undefined
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
  let trials = 0
  const trial = (variant: Variant) => {
    trials++
    return attempt(send, open, variant)
  }
  const open = [...rows]
  for (let near = 0; open.length > 0 && trials < MOST_TRIALS; ) {
    const refusal = await trial({ before: clearing })
    if (refusal === undefined) {
      for (const row of open) refused.delete(row)
      return
    }
    const unfit = await firstUnfit(open.length, near, refusal, (count) => {
      const rest = open.slice(count).map(({ change }) => change.key)
      return trial({ before: [...clearing, dropStaged(layout, rest)], end: ROLLBACK })
    })
    near = unfit.at
    const [guilty] = open.splice(near, 1)
    if (guilty !== undefined) refused.set(guilty, unfit.refusal)
  }
}

/**
 * Finds the first row that does not fit to those before it: from `near` on in growing steps, then by halving. Often the
 * rows that do not fit are neighbours.
 * @param count how many rows there are, which together do not fit
 * @param near where the search before this one ended
 * @param tryFirst tries some rows from the first on
 */
async function firstUnfit(
  count: number,
  near: number,
  refusal: RejectedError,
  tryFirst: (count: number) => Promise<RejectedError | undefined>,
): Promise<{ at: number; refusal: RejectedError }> {
  // The first `fit` rows can be written, the first `unfit` cannot.
  let [fit, unfit, last, step] = [0, count, refusal, 1]
  for (let next = near; unfit - fit > 1; next = step === 0 ? (fit + unfit) >> 1 : fit + step) {
    const middle = Math.max(fit + 1, Math.min(next, unfit - 1))
    const error = await tryFirst(middle)
    if (error !== undefined) [unfit, last, step] = [middle, error, 0]
    else [fit, step] = [middle, step * 2]
  }
  return { at: fit, refusal: last }
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
