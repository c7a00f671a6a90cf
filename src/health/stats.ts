import { type Quantiles, RecentDurations } from './durations.js'
import { Progress } from './progress.js'

/** The writes that fail now: since when, how often, and the store's message. */
export interface Failing {
  /** In milliseconds since 1970. */
  readonly since: number
  /** Failed attempts of the same batch. */
  readonly attempts: number
  /** Of the last attempt. */
  readonly message: string
}

/** What a worker has done since its start. */
export interface WorkerStats {
  /** Entries that are acknowledged. */
  acknowledged: number
  /** Dead letters written. */
  deadLettered: number
  /** Attempts that failed and were repeated. */
  retries: number
  /** Set while the store refuses the worker's writes. */
  failing?: Failing | undefined
  /** From receipt to commit. */
  readonly lag: RecentDurations
  /** Progress of its loop. */
  readonly progress: Progress
}

/** The stats of a worker that has just started. */
export function newWorkerStats(): WorkerStats {
  return {
    acknowledged: 0,
    deadLettered: 0,
    retries: 0,
    lag: new RecentDurations(),
    progress: new Progress(),
  }
}

/** Notes a failed write that will be retried. */
export function noteFailure(stats: WorkerStats, { message }: Error, now = Date.now()): void {
  const { since = now, attempts = 0 } = stats.failing ?? {}
  stats.failing = { since, attempts: attempts + 1, message }
}

/** Notes a write that succeeded. @returns the failing that ended with it */
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

/** A worker's figures as in JSON: durations in milliseconds. */
export interface WorkerFigures {
  readonly acknowledged: number
  readonly deadLettered: number
  readonly retries: number
  readonly failing?: Failing | undefined
  /** Of the last minute. */
  readonly lagMs: Quantiles
}

/** Makes a worker's figures from its stats. */
export function workerFigures({ lag, progress: _, ...counts }: WorkerStats): WorkerFigures {
  return { ...counts, lagMs: lag.quantiles() }
}
