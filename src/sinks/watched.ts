import { BatchError, TransientError } from '../errors.js'
import { type Failing, noteFailure, noteSuccess, throwIfFailing, type WorkerStats } from '../health/stats.js'
import type { Report } from '../telemetry/command.js'
import { Evidence } from './evidence.js'
import { RetryGate } from './retry-gate.js'
import type { Sink } from './sink.js'
import { Trial } from './trial.js'

/** Attempts that fail in a row before the cause is looked for among the items. */
const ATTEMPTS = 3
/** An attempt that fails after this time, in ms, is not repeated before: its neighbours have waited for long enough. */
const SLOW_MS = 1_000

const NOTHING = { postponed: new Map<never, TransientError>() }

/** A write that has failed. */
interface FailedWrite<Item> {
  readonly startedMs: number
  /** Failures in a row of which an item may be the cause. */
  suspicions: number
  trial: Trial<Item> | undefined
}

/**
 * Wraps a sink so that its ping fails while its writes fail, with the store's own message: a store that is full or
 * read-only answers every ping, and only its writes fail. Where several writes fail, one is retried: see
 * {@link RetryGate}. Where a write goes on failing, and one of its items may be the cause, a {@link Trial} looks for it.
 * @param stats its `failing` is set and cleared
 * @param onRecovery called when a write succeeds again, with the failure that has ended
 */
export function watched<Item>(
  sink: Sink<Item>,
  stats: WorkerStats,
  onRecovery: (failing: Failing) => void = () => undefined,
): Sink<Item> {
  return new WatchedSink(sink, stats, onRecovery)
}

class WatchedSink<Item> implements Sink<Item> {
  readonly name: string
  readonly #gate = new RetryGate()
  /** `undefined` where a failure is never the fault of an item. */
  readonly #evidence: Evidence<Item> | undefined
  readonly #failed = new Map<readonly Item[], FailedWrite<Item>>()

  constructor(
    readonly sink: Sink<Item>,
    readonly stats: WorkerStats,
    readonly onRecovery: (failing: Failing) => void,
  ) {
    this.name = sink.name
    this.#evidence = sink.comparison && new Evidence(sink.comparison)
  }

  async write(items: readonly Item[], signal: AbortSignal, report?: Report): Promise<void> {
    await this.#gate.pass(items, signal)
    const startedMs = performance.now()
    try {
      await this.#attempt(items, signal, report)
    } catch (error) {
      if (error instanceof TransientError) this.#fail(items, error, startedMs)
      else if (error instanceof BatchError) this.#end(items, error)
      else this.#forget(items)
      throw error
    }
    this.#end(items)
  }

  async ping(signal: AbortSignal): Promise<void> {
    throwIfFailing(this.stats)
    await this.sink.ping(signal)
  }

  close(): Promise<void> {
    return this.sink.close()
  }

  async #attempt(items: readonly Item[], signal: AbortSignal, report?: Report): Promise<void> {
    const evidence = this.#evidence
    if (evidence === undefined) return await this.sink.write(items, signal, report)
    const trial = this.#failed.get(items)?.trial ?? this.#resumed(items, evidence)
    if (trial) return await trial.run(signal, report, () => this.#gate.end(items))
    const isWatching = evidence.hasSuspects || [...this.#failed.values()].some((failed) => failed.trial)
    if (!isWatching) return await this.sink.write(items, signal, report)
    await this.#writeAsWitness(items, evidence, signal, report)
  }

  /** A new trial of an item that was postponed and comes again. */
  #resumed(items: readonly Item[], evidence: Evidence<Item>): Trial<Item> | undefined {
    if (!evidence.hasSuspects || items.length > 1 || !items.every((item) => evidence.knows(item)))
      return undefined
    const startedMs = performance.now()
    const trial = new Trial(this.sink, evidence, { items, startedMs })
    this.#failed.set(items, { startedMs, suspicions: 0, trial })
    return trial
  }

  /** Writes items, and notes that their places take writes. */
  async #writeAsWitness(
    items: readonly Item[],
    evidence: Evidence<Item>,
    signal: AbortSignal,
    report?: Report,
  ): Promise<void> {
    const news = await evidence.newsAmong(items, signal)
    const begunAt = evidence.tick()
    try {
      await this.sink.write(items, signal, report)
    } catch (error) {
      if (error instanceof BatchError) {
        const { rejected } = error as BatchError<Item>
        evidence.note(
          items.filter((item) => news.has(item) && !rejected.has(item)),
          begunAt,
        )
        evidence.forget(items)
      }
      throw error
    }
    evidence.note(news, begunAt)
    evidence.forget(items)
  }

  /** Takes note of a failure that is retried. */
  #fail(items: readonly Item[], error: TransientError, startedMs: number): void {
    const failed = this.#failed.get(items) ?? { startedMs, suspicions: 0, trial: undefined }
    this.#failed.set(items, failed)
    failed.suspicions = error.suspicion === undefined ? 0 : failed.suspicions + 1
    const isSlow = error.suspicion !== undefined && performance.now() - startedMs > SLOW_MS
    if (this.#evidence && !failed.trial && (failed.suspicions >= ATTEMPTS || isSlow)) {
      failed.trial = new Trial(this.sink, this.#evidence, { items, error, startedMs: failed.startedMs })
    }
    if (this.#gate.fail(items)) noteFailure(this.stats, error)
  }

  #forget(items: readonly Item[]): void {
    this.#gate.end(items)
    this.#failed.delete(items)
  }

  /** Takes note of the end of a write. While a place takes nothing, the worker counts as failing. */
  #end(items: readonly Item[], { postponed }: Pick<BatchError<unknown>, 'postponed'> = NOTHING): void {
    this.#forget(items)
    if (this.#evidence?.hasBlockedPlace) {
      const [error] = postponed.values()
      if (error) noteFailure(this.stats, error)
      return
    }
    const failing = noteSuccess(this.stats)
    if (failing) this.onRecovery(failing)
  }
}
