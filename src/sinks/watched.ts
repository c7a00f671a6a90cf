import { BatchError, TransientError } from '../errors.js'
import { WRITE } from '../telemetry/progress.js'
import {
  type Failing,
  noteFailure,
  noteSuccess,
  throwIfFailing,
  type WorkerStats,
} from '../telemetry/stats.js'
import type { Sink } from './sink.js'

/**
 * A sink that keeps account of its writes: a store that is full or read-only answers every ping, and only the
 * write that fails tells. A ping fails while they do, with the store's own message.
 * @param stats gets `failing`, and a sign of life of each command and write
 * @param onRecovery is told of the failing that has ended by a write
 */
export function watched<Item>(
  sink: Sink<Item>,
  stats: WorkerStats,
  onRecovery: (failing: Failing) => void = () => undefined,
): Sink<Item> {
  const succeed = () => {
    const failing = noteSuccess(stats)
    if (failing) onRecovery(failing)
  }
  return {
    name: sink.name,
    write: async (items, signal, onCall) => {
      try {
        await sink.write(items, signal, (call) => {
          stats.progress.beat(WRITE)
          onCall?.(call)
        })
      } catch (error) {
        stats.progress.beat(WRITE)
        if (error instanceof TransientError) noteFailure(stats, error)
        if (error instanceof BatchError) succeed()
        throw error
      }
      succeed()
    },
    ping: async (signal) => {
      throwIfFailing(stats)
      await sink.ping(signal)
    },
    close: () => sink.close(),
  }
}
