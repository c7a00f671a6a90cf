import { BatchError, TransientError } from '../errors.js'
import { type Failing, noteFailure, noteSuccess, throwIfFailing, type WorkerStats } from '../health/stats.js'
import { Circuit } from './circuit.js'
import type { Sink } from './sink.js'

/**
 * A sink that keeps account of its writes: a store that is full or read-only answers every ping, and only the
 * write that fails tells. A ping fails while they do, with the store's own message. Of several writes that fail one
 * goes on trying: see {@link Circuit}.
 * @param stats gets `failing`
 * @param onRecovery is told of the failing that has ended by a write
 */
export function watched<Item>(
  sink: Sink<Item>,
  stats: WorkerStats,
  onRecovery: (failing: Failing) => void = () => undefined,
): Sink<Item> {
  const circuit = new Circuit()
  const succeed = () => {
    const failing = noteSuccess(stats)
    if (failing) onRecovery(failing)
  }
  return {
    name: sink.name,
    write: async (items, signal, report) => {
      await circuit.pass(items, signal)
      try {
        await sink.write(items, signal, report)
      } catch (error) {
        if (error instanceof TransientError) {
          if (circuit.fail(items)) noteFailure(stats, error)
          throw error
        }
        circuit.end(items)
        if (error instanceof BatchError) succeed()
        throw error
      }
      circuit.end(items)
      succeed()
    },
    ping: async (signal) => {
      throwIfFailing(stats)
      await sink.ping(signal)
    },
    close: () => sink.close(),
  }
}
