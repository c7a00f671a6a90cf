import { REASONS, type RejectedError } from '../errors.js'
import type { SinkItem } from '../sinks/sink.js'
import type { Outcome } from '../stream/acknowledge.js'
import { receivedAt } from '../stream/entry.js'
import type { Command } from '../telemetry/command.js'
import { type Histogram, type Labels, type Series, SHORT } from '../telemetry/histogram.js'
import type { Metrics } from '../telemetry/metrics.js'
import { ATTRIBUTE, DEAD_LETTERS, LABEL, METRIC, OPERATION_DURATION } from '../telemetry/names.js'
import type { Decoded } from './decode.js'
import type { Batch, WorkerObserver } from './observer.js'

/** Upper bounds of buckets from receipt to commit, in seconds. */
const AGE = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
/** From the event's own timestamp to commit, in seconds: 0.1 * 2^n, up to about half an hour. */
const SYNC_LAG = Array.from({ length: 15 }, (_, n) => Math.round(2 ** n) / 10)
/** Entries of a batch. */
const BATCH = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]

/** A pool of connections, at this moment. */
export interface PoolFigures {
  readonly idle: number
  readonly inUse: number
  /** Requests that wait for a connection. */
  readonly waiting: number
}

/** A worker's state, read at each export. */
export interface WorkerState {
  /** Whether its store is failing its writes. */
  failing(): boolean
  /** The pool of its store, if it has one. */
  pool?(): PoolFigures
}

/** The metrics of a sink's worker. Costs under 1 us an event, and some 10 us a batch. */
export class WorkerMetrics<Item extends SinkItem> implements Partial<WorkerObserver<Item>> {
  readonly #consumed
  readonly #deadLettered
  readonly #redelivered
  readonly #retries
  readonly #processing: Series
  readonly #batch: Series
  readonly #age: Series
  readonly #success: Series
  readonly #failure: Series
  readonly #operations: CommandDurations
  readonly #store: CommandDurations
  readonly #sink
  readonly #group

  constructor(metrics: Metrics, sink: string, state: WorkerState) {
    const bySink = { [LABEL.sink]: sink }
    const byGroup = { [ATTRIBUTE.consumerGroup]: sink }
    const histogram = (name: string, description: string, unit: string, bounds: readonly number[]) =>
      metrics.histogram({ name, description, unit, bounds })
    const counter = (name: string, description: string, unit: string) =>
      metrics.counter({ name, description, unit })
    this.#sink = bySink
    this.#group = byGroup
    this.#consumed = counter(METRIC.consumed, 'Entries that a worker has read from the log', '{message}')
    this.#deadLettered = metrics.counter(DEAD_LETTERS)
    this.#redelivered = counter(
      METRIC.redelivered,
      'Entries claimed from a worker that was silent for a lease',
      '{message}',
    )
    this.#retries = counter(METRIC.retries, 'Attempts that failed and were retried', '{attempt}')
    this.#processing = histogram(
      METRIC.processDuration,
      'From the entries of a batch to their commit in the store, retries included',
      's',
      AGE,
    ).with(byGroup)
    this.#batch = histogram(METRIC.batchSize, 'Entries of a batch', '{message}', BATCH).with(bySink)
    this.#age = histogram(
      METRIC.eventAge,
      'From the receipt of an event to its commit in the store; dead letters too',
      's',
      AGE,
    ).with(bySink)
    const lag = histogram(
      METRIC.syncLag,
      'From the timestamp within an event to its commit in the store, or to its dead letter',
      's',
      SYNC_LAG,
    )
    this.#success = lag.with({ ...bySink, [LABEL.status]: 'success' })
    this.#failure = lag.with({ ...bySink, [LABEL.status]: 'failure' })
    this.#operations = new CommandDurations(metrics.histogram({ ...OPERATION_DURATION, bounds: SHORT }))
    this.#store = new CommandDurations(histogram(METRIC.storeDuration, 'Commands to the store', 's', SHORT))
    this.#beginAtZero()
    observeState(metrics, bySink, state)
  }

  read({ entries, deliveries }: Batch, commands: readonly Command[]): void {
    this.#consumed(entries.length, this.#group)
    if (deliveries > 0) this.#redelivered(1, this.#sink)
    for (const command of commands) this.#operation(command)
  }

  retried(): void {
    this.#retries(1, this.#sink)
  }

  sent(_: Batch, to: 'sink' | 'log', command: Command): void {
    if (to === 'log') this.#operation(command)
    else {
      const { system, operation, durationMs } = command
      const labels = { [ATTRIBUTE.storeSystem]: system, [ATTRIBUTE.storeOperation]: operation }
      this.#store.record(durationMs, labels)
    }
  }

  written(
    { begunAt }: Batch,
    decoded: readonly Decoded<Item>[],
    refused: ReadonlyMap<Item, RejectedError>,
  ): void {
    this.#processing.record((performance.now() - begunAt) / 1_000)
    this.#batch.record(decoded.length)
    const now = Date.now()
    for (const { entry, changes, rejected } of decoded) {
      const received = receivedAt(entry.id)
      for (const change of changes) {
        const lag = refused.has(change) ? this.#failure : this.#success
        this.#age.record(seconds(now - received))
        lag.record(seconds(now - (change.eventTime ?? received)))
      }
      // An event that could not be read has no timestamp of its own.
      for (let i = 0; i < rejected.size; i++) this.#recordRejected(now - received)
    }
  }

  acknowledged(_: Batch, outcomes: readonly Outcome[]): void {
    const now = Date.now()
    for (const { entry, letters } of outcomes) {
      for (const { reason } of letters) {
        this.#deadLettered(1, { ...this.#sink, [LABEL.reason]: reason })
        // The worker has not parsed a poisonous entry, so there is no timestamp, either.
        if (reason === 'poison') this.#recordRejected(now - receivedAt(entry.id))
      }
    }
  }

  #recordRejected(ageMs: number): void {
    this.#age.record(seconds(ageMs))
    this.#failure.record(seconds(ageMs))
  }

  #operation({ operation, durationMs }: Command): void {
    this.#operations.record(durationMs, { [ATTRIBUTE.operationName]: operation })
  }

  /** Begins counters at 0, so that a query sees the first event as an increase. */
  #beginAtZero(): void {
    this.#consumed(0, this.#group)
    this.#redelivered(0, this.#sink)
    this.#retries(0, this.#sink)
    for (const reason of Object.keys(REASONS))
      this.#deadLettered(0, { ...this.#sink, [LABEL.reason]: reason })
  }
}

/** Durations by labels that are known only when a command is recorded; there are a handful. */
class CommandDurations {
  readonly #series = new Map<string, Series>()

  constructor(private readonly histogram: Histogram) {}

  record(ms: number, labels: Labels): void {
    const key = Object.values(labels).join(' ')
    const series = this.#series.get(key) ?? this.histogram.with(labels)
    this.#series.set(key, series)
    series.record(ms / 1_000)
  }
}

function observeState(metrics: Metrics, bySink: Record<string, string>, state: WorkerState): void {
  const failing = { name: METRIC.failing, description: '1 while the store does not take what is written' }
  metrics.observeGauge(failing, () => [[state.failing() ? 1 : 0, bySink]])
  const { pool } = state
  if (!pool) return
  const named = { [LABEL.pool]: bySink[LABEL.sink] ?? '' }
  const connections = {
    name: METRIC.poolConnections,
    description: 'Connections of a pool',
    unit: '{connection}',
  }
  metrics.observeGauge(connections, () => {
    const { idle, inUse } = pool()
    return [
      [idle, { [LABEL.state]: 'idle', ...named }],
      [inUse, { [LABEL.state]: 'used', ...named }],
    ]
  })
  const waiting = { name: METRIC.poolWaiting, description: 'Those who wait for a connection of a pool' }
  metrics.observeGauge({ ...waiting, unit: '{request}' }, () => [[pool().waiting, named]])
}

/** Not below 0: the worker's clock may be behind that of the sender or of Redis. */
function seconds(ms: number): number {
  return Math.max(0, ms) / 1_000
}
