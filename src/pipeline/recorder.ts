import type { RejectedError } from '../errors.js'
import type { SinkItem, StoreCall } from '../sinks/sink.js'
import type { StreamCall } from '../stream/calls.js'
import type { Outcome } from '../stream/consumer.js'
import { receivedAt } from '../stream/entry.js'
import { OPERATION } from '../telemetry/names.js'
import type { WorkerMetrics } from '../telemetry/worker-metrics.js'
import type { Decoded } from './decoder.js'

/** Counts what a worker does. Costs under 1 us an event, and some 10 us a batch. */
export class Recorder<Item extends SinkItem> {
  constructor(private readonly metrics: WorkerMetrics) {}

  /** Entries are in hand. @param takenOver from a worker that has gone silent */
  onTaken(count: number, takenOver: boolean): void {
    this.metrics.consumed(count)
    if (takenOver) this.metrics.redelivered()
  }

  onRetry(): void {
    this.metrics.retried()
  }

  /**
   * Every event of a batch is in the store, or refused for good.
   * @param ms since the work on the batch began
   */
  onProcessed(batch: readonly Decoded<Item>[], refused: ReadonlyMap<Item, RejectedError>, ms: number): void {
    const { metrics } = this
    const committedAt = Date.now()
    metrics.processed(ms, batch.length)
    for (const { entry, changes, rejected } of batch) {
      const received = receivedAt(entry.id)
      for (const change of changes) {
        const landing = { receivedAt: received, saidAt: change.saidAt ?? received, committedAt }
        if (refused.has(change)) metrics.died(landing)
        else metrics.landed(landing)
      }
      // What could not be read has no time of its own.
      for (let i = 0; i < rejected.size; i++)
        metrics.died({ receivedAt: received, saidAt: received, committedAt })
    }
  }

  /** Dead letters are written, and entries acknowledged. */
  onSettled(outcomes: readonly Outcome[]): void {
    const settledAt = Date.now()
    for (const { entry, letters } of outcomes) {
      for (const { reason } of letters) {
        this.metrics.deadLettered(reason)
        if (reason !== 'poison') continue
        // Nobody has dared to look into it.
        const received = receivedAt(entry.id)
        this.metrics.died({ receivedAt: received, saidAt: received, committedAt: settledAt })
      }
    }
  }

  onStreamCall({ operation, durationMs }: StreamCall): void {
    this.metrics.streamCall(OPERATION[operation], durationMs)
  }

  onStoreCall({ system, operation, durationMs }: StoreCall<Item>): void {
    this.metrics.storeCall(system, operation, durationMs)
  }
}
