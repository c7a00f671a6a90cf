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

/** What a worker has done since its start. */
export interface WorkerStats {
  /** Entries that are acknowledged. */
  settled: number
  /** Letters written. */
  deadLettered: number
  /** Attempts that failed and were made again. */
  retries: number
  /** From receipt to commit. */
  readonly lag: RecentDurations
}

/** A worker that has done nothing yet. */
export function newWorkerStats(): WorkerStats {
  return { settled: 0, deadLettered: 0, retries: 0, lag: new RecentDurations() }
}

/** A worker's figures as JSON has them: durations in milliseconds. */
export interface WorkerFigures {
  readonly settled: number
  readonly deadLettered: number
  readonly retries: number
  readonly lagMs: { readonly p50?: number | undefined; readonly p99?: number | undefined }
}

/** Reads off a worker's figures. */
export function workerFigures({ lag, ...counts }: WorkerStats): WorkerFigures {
  return { ...counts, lagMs: { p50: lag.quantile(0.5), p99: lag.quantile(0.99) } }
}
