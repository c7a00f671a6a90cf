import { RejectedError, type TransientError } from '../errors.js'
import { type Progress, READ } from '../health/progress.js'
import { retryTransient } from '../retry.js'
import type { Sink, SinkItem } from '../sinks/sink.js'
import type { Outcome } from '../stream/acknowledge.js'
import type { Consumer } from '../stream/consumer.js'
import type { Entry } from '../stream/entry.js'
import type { StaleEntry } from '../stream/reaper.js'
import { askRedis } from '../stream/redis.js'
import type { Command } from '../telemetry/command.js'
import { BoundedConcurrency } from './bounded-concurrency.js'
import type { Decoded } from './decode.js'
import { type DeliverOptions, deliver } from './deliver.js'
import { toLetters } from './letters.js'
import type { Batch, WorkerObserver } from './observer.js'
import { WHOLE_REQUEST } from './read.js'

/** Stale entries are claimed for this time at a stretch, in ms; then new entries are read. */
const STRETCH_MS = 200

/** Options of a worker. */
export interface WorkerOptions<Item extends SinkItem> {
  readonly consumer: Consumer
  readonly decode: (entry: Entry) => Decoded<Item>
  readonly fold: DeliverOptions<Item>['fold']
  readonly sink: Sink<Item>
  /** Maximum number of items in one write. */
  readonly batch: number
  /** Maximum number of batches written at a time; default: 1. */
  readonly writes?: number
  /** An entry delivered this often without being acknowledged is dead-lettered, because it crashes its workers. */
  readonly maxDeliveries: number
  readonly observer: WorkerObserver<Item>
  /** Receives signs of life. */
  readonly progress: Progress
}

/** Called with each attempt that failed transiently. */
type OnRetry = (error: TransientError, attempt: number, pauseMs: number) => void

/** Work on one batch. */
interface Work<Item extends SinkItem> extends WorkerOptions<Item> {
  readonly inFlight: Batch
  /** Ends the work on it. */
  readonly signal: AbortSignal
  readonly onRetry: OnRetry
}

/**
 * Reads, decodes, writes and acknowledges until `stopping` is aborted; then finishes what it has read. While batches are
 * written, the next one is read and decoded. Only durable entries are acknowledged: a crash anywhere leaves entries
 * pending, and they are delivered again, which changes nothing.
 * @param giveUp ends retries too: entries not written by then stay pending for another worker
 * @throws any error that is a bug
 */
export async function runWorker<Item extends SinkItem>(
  options: WorkerOptions<Item>,
  stopping: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { consumer, decode, observer, progress, writes = 1 } = options
  const patiently = <T>(step: string, work: () => Promise<T>, batch?: Batch) =>
    progress.during(step, (heartbeat) =>
      retryTransient(
        () => askRedis(step, work),
        giveUp,
        (...failure) => {
          heartbeat()
          observer.retried(batch, ...failure)
        },
      ),
    )
  const writing = new BoundedConcurrency(writes)
  // A failed batch ends the worker at once, even if no more entries arrive.
  const ending = AbortSignal.any([stopping, writing.failed])
  const readAhead = () => {
    const commands: Command[] = []
    const reading = patiently(READ, () => consumer.read(ending, (command) => commands.push(command)))
    const ahead = reading.then((entries) => ({ entries, commands }))
    // It is awaited one batch later; until then a failure is not unhandled.
    ahead.catch(() => undefined)
    return ahead
  }
  const handle = async (batch: Batch, process: (work: Work<Item>) => Promise<Outcome[]>) => {
    try {
      const onRetry: OnRetry = (...failure) => observer.retried(batch, ...failure)
      const outcomes = await process({ ...options, inFlight: batch, signal: giveUp, onRetry })
      const acknowledge = () =>
        consumer.acknowledge(outcomes, (command) => observer.sent(batch, 'log', command))
      await patiently('acknowledge entries', acknowledge, batch)
      if (outcomes.length < batch.entries.length) {
        const done = new Set(outcomes.map(({ entry }) => entry))
        consumer.postpone(batch.entries.filter((entry) => !done.has(entry)))
      }
      observer.acknowledged(batch, outcomes)
    } catch (error) {
      observer.abandoned(batch, error)
      throw error
    }
  }
  const claim = async () => {
    for (const end = performance.now() + STRETCH_MS; !stopping.aborted && performance.now() < end; ) {
      const commands: Command[] = []
      const take = () => consumer.claim((command) => commands.push(command))
      const stale = await patiently('claim entries', take)
      if (!stale) return
      const batch = inFlight([stale.entry], stale.deliveries)
      observer.read(batch, commands)
      await handle(batch, (work) => processAlone(stale, work))
    }
  }

  for (let ahead = readAhead(); ; ) {
    const { entries, commands } = await ahead
    if (entries.length === 0 && ending.aborted) return await writing.idle()
    // While a stale entry is processed no other entry is in flight, so if the worker crashes, that entry is the cause.
    const { staleDue } = consumer
    if (!staleDue) ahead = readAhead()
    if (entries.length > 0) {
      const batch = inFlight(entries)
      observer.read(batch, commands)
      const decoded = entries.map(decode)
      await writing.start(() => handle(batch, (work) => process(decoded, work)))
    }
    if (!staleDue) continue
    await writing.idle()
    await claim()
    ahead = readAhead()
  }
}

function inFlight(entries: readonly Entry[], deliveries = 0): Batch {
  return { entries, deliveries, begunAt: performance.now() }
}

/** Processes an entry that was delivered before. If the store causes a failure, this delivery does not count. */
async function processAlone<Item extends SinkItem>(stale: StaleEntry, work: Work<Item>): Promise<Outcome[]> {
  const { entry, deliveries } = stale
  const { consumer, maxDeliveries, sink } = work
  if (deliveries >= maxDeliveries) return [poisoned(entry, deliveries, sink.name)]
  const onRetry: OnRetry = (error, attempt, pauseMs) => {
    work.onRetry(error, attempt, pauseMs)
    // If Redis fails too, the delivery counts: only many such failures would matter.
    if (attempt === 1) consumer.resetDeliveryCount(stale).catch(() => undefined)
  }
  return await process([work.decode(entry)], { ...work, onRetry })
}

function poisoned(entry: Entry, deliveries: number, sink: string): Outcome {
  const error = new RejectedError(
    'poison',
    `It was delivered ${deliveries} times, and each time the ${sink} worker that had it ended or hung before it ` +
      'acknowledged it. Look for what the workers died of, then redrive it',
  )
  const nothing = { entry, changes: [], list: undefined }
  const rejected = new Map([[WHOLE_REQUEST, error]])
  return { entry, letters: toLetters({ ...nothing, rejected }, new Map(), sink) }
}

async function process<Item extends SinkItem>(
  decoded: readonly Decoded<Item>[],
  { fold, sink, batch, inFlight, observer, progress, signal, onRetry }: Work<Item>,
): Promise<Outcome[]> {
  observer.decoded(inFlight, decoded)
  const changes = decoded.flatMap((one) => one.changes)
  const { refused, postponed } = await progress.during('write to the sink', (heartbeat) =>
    deliver(changes, {
      sink,
      fold,
      batch,
      signal,
      onRetry: (...failure) => {
        heartbeat()
        onRetry(...failure)
      },
      report: (command) => {
        heartbeat()
        observer.sent(inFlight, 'sink', command)
      },
    }),
  )
  const isDone = ({ changes }: Decoded<Item>) => !changes.some((change) => postponed.has(change))
  const done = postponed.size === 0 ? decoded : decoded.filter(isDone)
  observer.written(inFlight, done, refused)
  return done.map((one) => ({ entry: one.entry, letters: toLetters(one, refused, sink.name) }))
}
