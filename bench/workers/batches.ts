import { CONTRACTS } from '../../schemas/index.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import type { Change } from '../../src/sinks/sink.js'
import { fold } from '../../src/state/fold.js'
import { type Backlog, bodyOf } from './workload.js'

/** Entries of a batch, as the worker has it by default. */
export const BATCH = 500

/** What the worker brings to a sink of a backlog, batch by batch: for the ceilings, which have it all before. */
export function* batchesOf(sink: 'postgres' | 'mongo', { count, eventAt }: Backlog): Iterable<Change[]> {
  const decode = createDecoder({ contracts: CONTRACTS, sink, maxClockSkewMs: 0 })
  const now = Date.now()
  for (let first = 0; first < count; first += BATCH) {
    const changes = Array.from({ length: Math.min(BATCH, count - first) }, (_, i) => {
      const body = Buffer.from(bodyOf(eventAt(first + i)))
      const id = `${now}-${first + i}`
      return decode({ partition: 0, id, source: 'cdc', delivery: '', trace: '', body }).changes
    })
    yield [...fold(changes.flat()).keys()]
  }
}
