import type { Logger } from 'pino'
import type { TransientError } from '../errors.js'
import { retryTransient } from '../retry.js'
import type { Sink } from '../sinks/sink.js'
import type { Position } from '../state/version.js'
import type { Consumer, Outcome } from '../stream/consumer.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import { askRedis } from '../stream/redis.js'
import type { WorkerStats } from '../telemetry/stats.js'
import type { Decoded } from './decoder.js'
import { type DeliverOptions, deliver } from './deliver.js'
import { toLetters } from './letters.js'

/** What a worker is made of. */
export interface WorkerOptions<Item> {
  readonly consumer: Consumer
  readonly decode: (entry: Entry) => Decoded<Item>
  readonly fold: DeliverOptions<Item>['fold']
  readonly sink: Sink<Item>
  /** Most items in one write. */
  readonly batch: number
  readonly stats: WorkerStats
  readonly log: Logger
}

/**
 * Reads, decodes, writes, settles, until `stopping` is aborted; then it finishes what it has read. The next
 * batch is read while one is written. Only what is durable is settled: a crash anywhere leaves entries pending,
 * and they are delivered again, which changes nothing.
 * @param giveUp ends retries too: what is not written by then stays pending for another worker
 * @throws what is a bug
 */
export async function runWorker<Item extends { readonly origin: Position }>(
  options: WorkerOptions<Item>,
  stopping: AbortSignal,
  giveUp: AbortSignal,
): Promise<void> {
  const { consumer, log, stats } = options
  const onRetry = (error: TransientError, attempt: number, pauseMs: number) => {
    stats.retries++
    log.warn({ attempt, pauseMs: Math.round(pauseMs) }, error.message)
  }
  const patiently = <T>(doing: string, work: () => Promise<T>, signal: AbortSignal) =>
    retryTransient(() => askRedis(doing, work), signal, onRetry)
  const readAhead = () => {
    const batch = patiently('read entries', () => consumer.read(stopping), giveUp)
    // It is awaited one batch later; until then a failure is not unhandled.
    batch.catch(() => undefined)
    return batch
  }

  for (let ahead = readAhead(); ; ) {
    const entries = await ahead
    if (entries.length === 0) return
    ahead = readAhead()
    const outcomes = await process(entries, options, giveUp, onRetry)
    await patiently('settle entries', () => consumer.settle(outcomes), giveUp)
    count(outcomes, stats)
  }
}

async function process<Item extends { readonly origin: Position }>(
  entries: readonly Entry[],
  { decode, fold, sink, batch }: WorkerOptions<Item>,
  signal: AbortSignal,
  onRetry: (error: TransientError, attempt: number, pauseMs: number) => void,
): Promise<Outcome[]> {
  const decoded = entries.map(decode)
  const changes = decoded.flatMap((one) => one.changes)
  const refused = await deliver(changes, { sink, fold, batch, signal, onRetry })
  return decoded.map((one) => ({ entry: one.entry, letters: toLetters(one, refused, sink.name) }))
}

function count(outcomes: readonly Outcome[], stats: WorkerStats): void {
  const now = Date.now()
  for (const { entry, letters } of outcomes) {
    stats.settled++
    stats.deadLettered += letters.length
    stats.lag.record(now - receivedAt(entry.id))
  }
}
