import { BatchError, type RejectedError, type TransientError } from '../errors.js'
import { retryTransient } from '../retry.js'
import type { Change, Sink } from '../sinks/sink.js'
import { fold } from '../state/fold.js'

/** How changes are brought to a sink. */
export interface DeliverOptions {
  readonly sink: Sink
  /** Most changes in one write. */
  readonly batch: number
  /** Ends all attempts: what is not written then stays pending. */
  readonly signal: AbortSignal
  readonly onRetry: (error: TransientError, attempt: number, pauseMs: number) => void
}

/**
 * Brings changes to a sink: folded by key, in writes of bounded size, again and again while the sink cannot.
 * @returns the changes that the sink refuses for good; all others are durable
 * @throws the signal's reason once it is aborted
 */
export async function deliver(
  changes: readonly Change[],
  options: DeliverOptions,
): Promise<Map<Change, RejectedError>> {
  const folded = fold(changes)
  const refused = new Map<Change, RejectedError>()
  for (const write of chunks([...folded.keys()], options.batch)) {
    for (const [change, error] of await attempt(write, options)) {
      const parts = folded.get(change) ?? [change]
      if (parts.length === 1) refused.set(change, error)
      else await eachAlone(parts, options, refused)
    }
  }
  return refused
}

/** Of several joined changes that were refused only one may be guilty: each is tried for itself. */
async function eachAlone(
  parts: readonly Change[],
  options: DeliverOptions,
  refused: Map<Change, RejectedError>,
): Promise<void> {
  for (const part of parts) {
    for (const [guilty, error] of await attempt([part], options)) refused.set(guilty, error)
  }
}

async function attempt(
  changes: readonly Change[],
  { sink, signal, onRetry }: DeliverOptions,
): Promise<ReadonlyMap<Change, RejectedError>> {
  try {
    await retryTransient(() => sink.write(changes, signal), signal, onRetry)
    return new Map()
  } catch (error) {
    if (error instanceof BatchError) return (error as BatchError<Change>).rejected
    throw error
  }
}

function* chunks<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
