import type { RejectedError, TransientError } from '../../src/errors.js'
import { newWorkerStats } from '../../src/health/stats.js'
import { deliver } from '../../src/pipeline/deliver.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { watched } from '../../src/sinks/watched.js'
import { fold } from '../../src/state/fold.js'

/** What became of changes that are not stored: by key. */
export interface Outcomes {
  readonly refused: ReadonlyMap<string, RejectedError>
  readonly postponed: readonly string[]
}

const NEVER = new AbortController().signal

/** Writes changes as a worker does: all of `src/pipeline` but Redis. */
export function deliveries(bare: Sink) {
  const stats = newWorkerStats()
  const sink = watched(bare, stats)
  const errors: TransientError[] = []
  const write = async (...changes: Change[]): Promise<Outcomes> => {
    const onRetry = (error: TransientError) => void errors.push(error)
    const { refused, postponed } = await deliver(changes, { sink, fold, batch: 500, signal: NEVER, onRetry })
    return {
      refused: new Map(Array.from(refused, ([{ key }, why]) => [key, why])),
      postponed: Array.from(postponed.keys(), ({ key }) => key),
    }
  }
  return { write, stats, sink, errors }
}

/** Puts changes into the midst of others. */
export function amid(others: readonly Change[], ...changes: Change[]): Change[] {
  const middle = others.length >> 1
  return [...others.slice(0, middle), ...changes, ...others.slice(middle)]
}
