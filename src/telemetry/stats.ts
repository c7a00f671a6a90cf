import { Progress } from './progress.js'

/** How long the last observations took, exactly: a ring of the newest values. */
export class RecentDurations {
  readonly #values: Float64Array
  #count = 0

  /** @param size how many observations are remembered */
  constructor(size = 2_048) {
    this.#values = new Float64Array(size)
  }

  /** @param ms a duration in milliseconds */
  record(ms: number): void {
    this.#values[this.#count++ % this.#values.length] = ms
  }

  /**
   * @param share 0 to 1: 0.99 is the 99th percentile
   * @returns milliseconds; `undefined` before the first observation
   */
  quantile(share: number): number | undefined {
    const known = this.#values.subarray(0, Math.min(this.#count, this.#values.length)).toSorted()
    return known[Math.min(known.length - 1, Math.floor(share * known.length))]
  }
}

/** Writes that fail: since when, how often, and what the store says. */
export interface Failing {
  /** In milliseconds since 1970. */
  readonly since: number
  /** Of the same batch, all in vain. */
  readonly attempts: number
  /** Of the last one. */
  readonly message: string
}

/** What a worker has done since its start. */
export interface WorkerStats {
  /** Entries that are acknowledged. */
  settled: number
  /** Letters written. */
  deadLettered: number
  /** Attempts that failed and were made again. */
  retries: number
  /** Set while its store does not take what it writes. */
  failing?: Failing | undefined
  /** From receipt to commit. */
  readonly lag: RecentDurations
  /** Of its loop. */
  readonly progress: Progress
}

/** A worker that has done nothing yet. */
export function newWorkerStats(): WorkerStats {
  return { settled: 0, deadLettered: 0, retries: 0, lag: new RecentDurations(), progress: new Progress() }
}

/** A write has failed and is made again. A worker has one write under way, so that this one is its probe, too. */
export function noteFailure(stats: WorkerStats, { message }: Error, now = Date.now()): void {
  const { since = now, attempts = 0 } = stats.failing ?? {}
  stats.failing = { since, attempts: attempts + 1, message }
}

/** A write has come to its end. @returns the failing that ends by it */
export function noteSuccess(stats: WorkerStats): Failing | undefined {
  const { failing } = stats
  stats.failing = undefined
  return failing
}

/** @throws Error with the store's own message while a worker's writes fail: it is not ready then */
export function throwIfFailing({ failing }: WorkerStats): void {
  if (failing === undefined) return
  const { since, attempts, message } = failing
  throw new Error(`${message}; ${attempts} attempts since ${new Date(since).toISOString()}`)
}

/** A worker's figures as JSON has them: durations in milliseconds. */
export interface WorkerFigures {
  readonly settled: number
  readonly deadLettered: number
  readonly retries: number
  readonly failing?: Failing | undefined
  readonly lagMs: { readonly p50?: number | undefined; readonly p99?: number | undefined }
}

/** Reads off a worker's figures. */
export function workerFigures({ lag, progress: _, ...counts }: WorkerStats): WorkerFigures {
  return { ...counts, lagMs: { p50: lag.quantile(0.5), p99: lag.quantile(0.99) } }
}
