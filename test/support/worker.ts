import { CONTRACTS } from '../../schemas/index.js'
import { newWorkerStats } from '../../src/health/stats.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { countInto, warnAbout } from '../../src/pipeline/health.js'
import { together } from '../../src/pipeline/observer.js'
import { WorkerTraces } from '../../src/pipeline/traces.js'
import { runWorker, type WorkerOptions } from '../../src/pipeline/worker.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { fold } from '../../src/state/fold.js'
import type { ConsumerOptions } from '../../src/stream/consumer.js'
import { NO_TRACING, type Tracing } from '../../src/telemetry/tracing.js'
import { recordedLog } from './log.js'
import type { TestStream } from './stream.js'

/** Of the workers of {@link work}, in ms. */
export const LEASE_MS = 800
/** So often a worker of {@link work} takes over an entry. */
export const MAX_DELIVERIES = 3

/** Starts a worker on a stream; it runs until its `stop` or `giveUp` is aborted. */
export async function work(
  stream: TestStream,
  sink: Sink,
  { tracing = NO_TRACING, ...options }: Partial<ConsumerOptions> & { readonly tracing?: Tracing } = {},
) {
  const traces = new WorkerTraces<Change>(tracing, stream.group, stream.keys)
  const member = await stream.join({ leaseMs: LEASE_MS, batch: 20, ...options })
  const [stop, giveUp] = [new AbortController(), new AbortController()]
  const stats = newWorkerStats()
  const { log, lines } = recordedLog()
  const decode = createDecoder({ contracts: CONTRACTS, sink: 'mongo', maxClockSkewMs: 600_000 })
  const limits = { batch: 7, writes: 2, maxDeliveries: MAX_DELIVERIES }
  const parts: WorkerOptions<Change> = {
    consumer: member.consumer,
    decode,
    fold,
    sink,
    ...limits,
    observer: together([
      countInto<Change>(stats),
      warnAbout<Change>(log, (batch) => traces.idsOf(batch)),
      traces,
    ]),
    progress: stats.progress,
  }
  const ended = runWorker(parts, stop.signal, giveUp.signal)
  ended.catch(() => undefined)
  return { ...member, stop, giveUp, stats, lines, ended }
}
