import { BatchError, RejectedError } from '../../src/errors.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { join, type State, UNKNOWN } from '../../src/state/state.js'

/** A sink that keeps states in memory, and does what a test asks of it. */
export interface MemorySink extends Sink {
  /** By `<entity> <key>`. */
  readonly stored: ReadonlyMap<string, State>
  /** How many changes each write brought, in order; failed writes too. */
  readonly writes: number[]
}

/** How it behaves. */
export interface MemorySinkOptions {
  /** Is called before each write; what it throws, the write throws. */
  readonly before?: (changes: readonly Change[], signal: AbortSignal) => void | Promise<void>
  /** Changes that are refused; all others of a write are kept. */
  readonly refuses?: (change: Change) => boolean
}

/** As small as the interface allows. */
export function memorySink({ before, refuses = () => false }: MemorySinkOptions = {}): MemorySink {
  const stored = new Map<string, State>()
  const writes: number[] = []
  return {
    name: 'memory',
    stored,
    writes,
    async write(changes, signal) {
      writes.push(changes.length)
      await before?.(changes, signal)
      const rejected = new Map<Change, RejectedError>()
      for (const change of changes) {
        const place = `${change.entity.name} ${change.key}`
        if (refuses(change))
          rejected.set(change, new RejectedError('refused_by_store', `no room for ${place}`))
        else stored.set(place, join(stored.get(place) ?? UNKNOWN, change.state))
      }
      if (rejected.size > 0) throw new BatchError(rejected)
    },
    ping: async () => undefined,
    close: async () => undefined,
  }
}
