import type { Logger } from 'pino'
import { RejectedError, type TransientError } from '../errors.js'
import { retryTransient } from '../retry.js'
import type { Sink, SinkItem } from '../sinks/sink.js'
import type { Consumer, Outcome } from '../stream/consumer.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import type { Leftover } from '../stream/reaper.js'
import { askRedis } from '../stream/redis.js'
import { seldomWarn, traceIds } from '../telemetry/log.js'
import { READ } from '../telemetry/progress.js'
import type { WorkerStats } from '../telemetry/stats.js'
import type { BatchTrace } from './batch-trace.js'
import type { Decoded } from './decoder.js'
import { type DeliverOptions, deliver } from './deliver.js'
import { Flights } from './flights.js'
import { toLetters } from './letters.js'
import { WHOLE_REQUEST } from './read.js'
import type { Recorder } from './recorder.js'
import { UNTRACED, type WorkerTraces } from './traces.js'

/** Leftovers are taken over so long at a stretch, in ms; then fresh entries have their turn. */
const STRETCH_MS = 200

/** What a worker is made of. */
export interface WorkerOptions<Item extends SinkItem> {
  readonly consumer: Consumer
  readonly decode: (entry: Entry) => Decoded<Item>
  readonly fold: DeliverOptions<Item>['fold']
  readonly sink: Sink<Item>
  /** Most items in one write. */
  readonly batch: number
  /** Batches that are written at a time; default: 1. */
  readonly writes?: number
  /** An entry that was delivered so often and never settled is dead-lettered: it ends its workers. */
  readonly maxDeliveries: number
  readonly stats: WorkerStats
  readonly log: Logger
  /** Default: it makes no spans. */
  readonly traces?: WorkerTraces
  /** Default: nobody counts. */
  readonly recorder?: Recorder<Item>
}

/** Is told of each attempt that failed for the time being. */
type OnRetry = (error: TransientError, attempt: number, pauseMs: number) => void

/** Work on one batch. */
interface Work<Item extends SinkItem> extends WorkerOptions<Item> {
  /** Gives it up. */
  readonly signal: AbortSignal
  readonly onRetry: OnRetry
  readonly trace: BatchTrace | undefined
}

/**
 * Reads, decodes, writes, settles, until `stopping` is aborted; then it finishes what it has read. While batches are
 * written the next one is read and decoded. Only what is durable is settled: a crash anywhere leaves entries pending,
 * and they are delivered again, which changes nothing.
 * @param giveUp ends retries too: what is not written by then stays pending for another worker
 * @throws what is a bug
 */
export async function runWorker<Item extends SinkItem>(
  options: WorkerOptions<Item>,
  stopping: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { consumer, decode, log, stats, recorder, traces = UNTRACED, writes = 1 } = options
  const complain = seldomWarn(log)
  const retrying =
    (trace?: BatchTrace): OnRetry =>
    (error, attempt, pauseMs) => {
      stats.retries++
      recorder?.onRetry()
      trace?.onRetry(error, attempt)
      complain(error.message, {
        attempt,
        pauseMs: Math.round(pauseMs),
        ...traceIds(trace?.traceparent ?? ''),
      })
    }
  const patiently = <T>(doing: string, work: () => Promise<T>, onRetry = retrying()) =>
    stats.progress.during(doing, (beat) =>
      retryTransient(
        () => askRedis(doing, work),
        giveUp,
        (...failure) => {
          beat()
          onRetry(...failure)
        },
      ),
    )
  const flights = new Flights(writes)
  // A batch that has failed ends the worker at once, though nothing more may come.
  const ending = AbortSignal.any([stopping, flights.failed])
  const readAhead = () => {
    const batch = patiently(READ, () => consumer.read(ending))
    // It is awaited one batch later; until then a failure is not unhandled.
    batch.catch(() => undefined)
    return batch
  }
  const handle = (
    entries: readonly Entry[],
    leftover: Leftover | undefined,
    process: (work: Work<Item>) => Promise<Outcome[]>,
  ) =>
    traces.follow(entries, leftover?.deliveries ?? 0, async (trace) => {
      recorder?.onTaken(entries.length, leftover !== undefined)
      const onRetry = retrying(trace)
      const outcomes = await process({ ...options, signal: giveUp, onRetry, trace })
      await patiently('settle entries', () => consumer.settle(outcomes), onRetry)
      count(outcomes, stats)
      recorder?.onSettled(outcomes)
      return outcomes
    })
  const takeOver = async () => {
    for (const end = performance.now() + STRETCH_MS; !stopping.aborted && performance.now() < end; ) {
      const leftover = await patiently('take over entries', () => consumer.takeOver())
      if (!leftover) return
      await handle([leftover.entry], leftover, (work) => processAlone(leftover, work))
    }
  }

  for (let ahead = readAhead(); ; ) {
    const entries = await ahead
    if (entries.length === 0 && ending.aborted) return await flights.landed()
    // While leftovers are worked on nothing else is in hand: what ends this worker then is one of them.
    const { leftoversDue } = consumer
    if (!leftoversDue) ahead = readAhead()
    if (entries.length > 0) {
      const batch = { begun: performance.now(), decoded: entries.map(decode) }
      await flights.start(() => handle(entries, undefined, (work) => process(batch, work)))
    }
    if (!leftoversDue) continue
    await flights.landed()
    await takeOver()
    ahead = readAhead()
  }
}

/** Entries that have been decoded. */
interface Batch<Item> {
  /** When the work on it began, in ms of `performance.now()`. */
  readonly begun: number
  readonly decoded: readonly Decoded<Item>[]
}

/** An entry that was delivered before. Once the store is to blame for a failure, this delivery does not count. */
async function processAlone<Item extends SinkItem>(leftover: Leftover, work: Work<Item>): Promise<Outcome[]> {
  const { entry, deliveries } = leftover
  const { consumer, maxDeliveries, sink } = work
  if (deliveries >= maxDeliveries) return [poisoned(entry, deliveries, sink.name)]
  const onRetry: OnRetry = (error, attempt, pauseMs) => {
    work.onRetry(error, attempt, pauseMs)
    // Where Redis cannot do it either, the delivery counts: it takes many such moments to matter.
    if (attempt === 1) consumer.absolve(leftover).catch(() => undefined)
  }
  return await process({ begun: performance.now(), decoded: [work.decode(entry)] }, { ...work, onRetry })
}

function poisoned(entry: Entry, deliveries: number, sink: string): Outcome {
  const error = new RejectedError(
    'poison',
    `It was delivered ${deliveries} times, and each time the ${sink} worker that had it ended or hung before it ` +
      'could say what became of it. Look for what the workers died of, then redrive it',
  )
  const nothing = { entry, changes: [], list: undefined }
  const rejected = new Map([[WHOLE_REQUEST, error]])
  return { entry, letters: toLetters({ ...nothing, rejected }, new Map(), sink) }
}

async function process<Item extends SinkItem>(
  { begun, decoded }: Batch<Item>,
  { fold, sink, batch, stats, signal, onRetry, trace, recorder }: Work<Item>,
): Promise<Outcome[]> {
  trace?.onDecoded(decoded)
  const changes = decoded.flatMap((one) => one.changes)
  const refused = await stats.progress.during('write to the sink', (beat) =>
    deliver(changes, {
      sink,
      fold,
      batch,
      signal,
      onRetry: (...failure) => {
        beat()
        onRetry(...failure)
      },
      onCall: (call) => {
        beat()
        recorder?.onStoreCall(call)
        trace?.onStoreCall(call)
      },
    }),
  )
  recorder?.onProcessed(decoded, refused, performance.now() - begun)
  return decoded.map((one) => ({ entry: one.entry, letters: toLetters(one, refused, sink.name) }))
}

function count(outcomes: readonly Outcome[], stats: WorkerStats): void {
  const now = Date.now()
  const monotonic = performance.now()
  for (const { entry, letters } of outcomes) {
    stats.settled++
    stats.deadLettered += letters.length
    stats.lag.record(now - receivedAt(entry.id), monotonic)
  }
}
