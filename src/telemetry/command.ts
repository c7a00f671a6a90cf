import type { Reason } from '../errors.js'

/** When something was done, and how it ended. */
export interface Timing {
  /** Of `performance.now()`, in milliseconds: for the time of day see `Tracing.now`. */
  readonly startedAt: number
  readonly durationMs: number
  /** What it failed with. */
  readonly error?: unknown
}

/** One command to a server that has come to its end. */
export interface Command extends Timing {
  /** As OpenTelemetry's conventions call the server: `db.system.name`. */
  readonly system: 'postgresql' | 'mongodb' | 'redis'
  /** As the server calls it: `COPY`; `find`, `bulkWrite`; `xadd`, `xack`. */
  readonly operation: string
  /** Name of the table or collection; key of the stream, of several partitions with `*` in place of the number. */
  readonly target: string
  /** How many rows, documents or entries it was about. */
  readonly count: number
  /** Why an entry is dead-lettered; of several letters that of the first. */
  readonly reason?: Reason | undefined
}

/** Gets each command that has come to its end. It must not throw, and be quick: the caller waits. */
export type Report = (command: Command) => void

/**
 * Does something, and tells how long it took, however it ends. Costs well under a microsecond; nothing without `tell`.
 * @param tell gets the result, too, where there is one; it must not throw, and be quick: the caller waits for it
 */
export async function timed<T>(
  work: () => Promise<T>,
  tell?: (timing: Timing, result?: T) => void,
): Promise<T> {
  if (!tell) return await work()
  const startedAt = performance.now()
  try {
    const result = await work()
    tell({ startedAt, durationMs: performance.now() - startedAt }, result)
    return result
  } catch (error) {
    tell({ startedAt, durationMs: performance.now() - startedAt, error })
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
