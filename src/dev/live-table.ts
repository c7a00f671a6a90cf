import { stdout } from 'node:process'
import type { WorkerFigures } from '../health/stats.js'
import { duration, table } from '../text.js'

/** A row of the live table: one sink. */
export interface SinkRow {
  readonly sink: string
  /** `undefined` while the worker does not answer. */
  readonly figures: WorkerFigures | undefined
  /** Entries that the group has not read or not acknowledged yet. */
  readonly pending: number
}

const FIGURES = ['acknowledged', 'per second', 'dead letters', 'pending', 'lag p50', 'lag p99'] as const

/**
 * The live table: on a terminal it is redrawn in place; elsewhere each call writes one line.
 * @returns a function that shows the present figures; call it once a second
 */
export function liveTable(write: (text: string) => void, isTerminal = stdout.isTTY === true) {
  let before: { at: number; acknowledged: ReadonlyMap<string, number>; accepted: number } | undefined
  let drawn = 0

  return (accepted: number, rows: readonly SinkRow[]) => {
    const now = Date.now()
    const seconds = before ? (now - before.at) / 1_000 : Number.NaN
    const rate = (count: number, last = 0) =>
      Number.isNaN(seconds) ? '-' : String(Math.max(0, Math.round((count - last) / seconds)))
    const cells = rows.map(({ sink, figures, pending }) => ({
      sink,
      acknowledged: String(figures?.acknowledged ?? '-'),
      'per second': figures ? rate(figures.acknowledged, before?.acknowledged.get(sink)) : '-',
      'dead letters': String(figures?.deadLettered ?? '-'),
      pending: String(pending),
      'lag p50': lag(figures?.lagMs.p50),
      'lag p99': lag(figures?.lagMs.p99),
    }))
    const head = `accepted ${accepted}, ${rate(accepted, before?.accepted)} a second`
    before = {
      at: now,
      accepted,
      acknowledged: new Map(rows.map(({ sink, figures }) => [sink, figures?.acknowledged ?? 0])),
    }
    if (isTerminal) {
      const lines = [head, ...table(['sink', ...FIGURES], cells, FIGURES).split('\n')]
      write(`${drawn > 0 ? `\u001b[${drawn}A` : ''}${lines.map((line) => `\u001b[2K${line}\n`).join('')}`)
      drawn = lines.length
    } else {
      const figures = cells.map((row) =>
        [row.sink, ...FIGURES.map((name) => `${name} ${row[name]}`)].join(', '),
      )
      write(`${head}; ${figures.join('; ')}\n`)
    }
  }
}

function lag(ms: number | undefined): string {
  return ms === undefined ? '-' : duration(ms)
}
