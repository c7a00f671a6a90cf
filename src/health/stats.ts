import { type Quantiles, RecentDurations } from './durations.js'
import { Progress } from './progress.js'

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
  acknowledged: number
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
  return {
    acknowledged: 0,
    deadLettered: 0,
    retries: 0,
    lag: new RecentDurations(),
    progress: new Progress(),
  }
}

/** The write that is tried again has failed. */
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
  readonly acknowledged: number
  readonly deadLettered: number
  readonly retries: number
  readonly failing?: Failing | undefined
  /** Of the last minute. */
  readonly lagMs: Quantiles
}

/** Reads off a worker's figures. */
export function workerFigures({ lag, progress: _, ...counts }: WorkerStats): WorkerFigures {
  return { ...counts, lagMs: lag.quantiles() }
}
