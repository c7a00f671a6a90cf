import { BatchError, TransientError } from '../errors.js'
import { type Failing, noteFailure, noteSuccess, throwIfFailing, type WorkerStats } from '../health/stats.js'
import { RetryGate } from './retry-gate.js'
import type { Sink } from './sink.js'

/**
 * Wraps a sink so that its ping fails while its writes fail, with the store's own message: a store that is full or
 * read-only answers every ping, and only its writes fail. Where several writes fail, one is retried: see
 * {@link RetryGate}.
 * @param stats its `failing` is set and cleared
 * @param onRecovery called when a write succeeds again, with the failure that has ended
 */
export function watched<Item>(
  sink: Sink<Item>,
  stats: WorkerStats,
  onRecovery: (failing: Failing) => void = () => undefined,
): Sink<Item> {
  const gate = new RetryGate()
  const succeed = () => {
    const failing = noteSuccess(stats)
    if (failing) onRecovery(failing)
  }
  return {
    name: sink.name,
    write: async (items, signal, report) => {
      await gate.pass(items, signal)
      try {
        await sink.write(items, signal, report)
      } catch (error) {
        if (error instanceof TransientError) {
          if (gate.fail(items)) noteFailure(stats, error)
          throw error
        }
        gate.end(items)
        if (error instanceof BatchError) succeed()
        throw error
      }
      gate.end(items)
      succeed()
    },
    ping: async (signal) => {
      throwIfFailing(stats)
      await sink.ping(signal)
    },
    close: () => sink.close(),
  }
}
