import { setTimeout as sleep } from 'node:timers/promises'
import { TransientError } from './errors.js'

/** How long to wait between attempts, in milliseconds. */
export interface Backoff {
  /** Upper bound of the first pause; the bound doubles with every attempt. */
  readonly initialMs: number
  /** Maximum pause. */
  readonly maxMs: number
}

/** Quick enough for a deadlock, slow enough for a database that restarts. */
export const DEFAULT_BACKOFF: Backoff = { initialMs: 50, maxMs: 5_000 }

/**
 * The pause before attempt `attempt + 1`: "equal jitter", between half and the whole of the doubled bound, so that
 * replicas that failed together do not retry together, and none of them retries without a pause.
 * @param attempt attempts made so far, from 1
 * @returns milliseconds
 */
export function backoffMs(attempt: number, { initialMs, maxMs }: Backoff, random = Math.random): number {
  const bound = Math.min(maxMs, initialMs * 2 ** Math.min(attempt - 1, 30))
  return bound / 2 + (random() * bound) / 2
}

/**
 * Calls `work` until it returns, with a jittered pause after every {@link TransientError}.
 * @param signal ends the pauses; `work` has to watch the signal itself
 * @param onRetry called with each failure before its pause: to log, to count, to renew a lease
 * @throws any error of `work` that is not transient; the signal's reason once it is aborted
 */
export async function retryTransient<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
  onRetry: (error: TransientError, attempt: number, pauseMs: number) => void | Promise<void>,
  backoff: Backoff = DEFAULT_BACKOFF,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof TransientError)) throw error
      const pauseMs = backoffMs(attempt, backoff)
      await onRetry(error, attempt, pauseMs)
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
