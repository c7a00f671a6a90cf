import type { CxoneClient, CxoneRequest } from './client.js'
import { CxoneTransient } from './errors.js'
import { fullJitterMs, pause } from './pace.js'

/** How long to try. */
export interface Patience {
  /** Most attempts. */
  readonly attempts: number
  /** No attempt begins later than this, in ms. */
  readonly withinMs: number
}

/** As long as a person waits for a command. */
export const PATIENCE: Patience = { attempts: 8, withinMs: 120_000 }

/**
 * Sends a request again until CXone answers it, with a pause as CXone asks for it, else with full jitter. A POST that
 * may have had its effect is not sent again: it would make a second one.
 * @param onRetry called with each failure before its pause, in ms
 * @throws as {@link CxoneClient.send}, the last failure where patience ends
 */
export async function sendPatiently(
  client: CxoneClient,
  request: CxoneRequest,
  signal: AbortSignal,
  onRetry: (error: CxoneTransient, pauseMs: number) => unknown = () => undefined,
  { attempts, withinMs } = PATIENCE,
): Promise<unknown> {
  const endsAt = performance.now() + withinMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.send(request, signal)
    } catch (error) {
      if (!(error instanceof CxoneTransient)) throw error
      if (request.method === 'POST' && error.applied === 'unknown') throw error
      const pauseMs = error.retryAfterMs ?? fullJitterMs(attempt)
      if (attempt >= attempts || performance.now() + pauseMs > endsAt) throw error
      onRetry(error, pauseMs)
      await pause(pauseMs, signal)
    }
  }
}
