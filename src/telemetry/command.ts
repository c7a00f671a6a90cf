import type { Reason } from '../errors.js'

/** When an operation started, how long it took, and how it ended. */
export interface Timing {
  /** In ms of `performance.now()`; for the time of day see `Tracing.now`. */
  readonly startedAt: number
  readonly durationMs: number
  /** The error, where it failed. */
  readonly error?: unknown
}

/** One finished command to a server. */
export interface Command extends Timing {
  /** The server's name in OpenTelemetry's conventions: `db.system.name`. */
  readonly system: 'postgresql' | 'mongodb' | 'redis'
  /** The server's name for the command: `COPY`; `find`, `bulkWrite`; `xadd`, `xack`. */
  readonly operation: string
  /** Name of the table or collection; key of the stream, with `*` for the number where there are several partitions. */
  readonly target: string
  /** Number of rows, documents or entries. */
  readonly count: number
  /** Why an entry is dead-lettered; the first reason where there are several letters. */
  readonly reason?: Reason | undefined
}

/** Called with each finished command. It must not throw, and must be quick: the caller waits. */
export type Report = (command: Command) => void

/**
 * Runs `work` and reports its duration, however it ends. Costs well under a microsecond; nothing without `report`.
 * @param report also gets the result, where there is one; it must not throw, and must be quick: the caller waits
 */
export async function timed<T>(
  work: () => Promise<T>,
  report?: (timing: Timing, result?: T) => void,
): Promise<T> {
  if (!report) return await work()
  const startedAt = performance.now()
  try {
    const result = await work()
    report({ startedAt, durationMs: performance.now() - startedAt }, result)
    return result
  } catch (error) {
    report({ startedAt, durationMs: performance.now() - startedAt, error })
    throw error
  }
}

/** Sends a command, and reports it, however it ends. */
export function reported<T>(
  about: Pick<Command, 'system' | 'operation' | 'target' | 'count' | 'reason'>,
  report: Report | undefined,
  send: () => Promise<T>,
): Promise<T> {
  return timed(send, report && ((timing) => report({ ...about, ...timing })))
}
