import type { Logger } from 'pino'
import type { WorkerStats } from '../health/stats.js'
import type { SinkItem } from '../sinks/sink.js'
import { receivedAt } from '../stream/entry.js'
import { createWarnOnce, type TraceIds } from '../telemetry/log.js'
import type { Batch, WorkerObserver } from './observer.js'

/** Keeps a worker's figures. Costs well under 1 us an entry. */
export function countInto<Item extends SinkItem>(stats: WorkerStats): Partial<WorkerObserver<Item>> {
  return {
    retried: () => {
      stats.retries++
    },
    acknowledged: (_, outcomes) => {
      const now = Date.now()
      const monotonic = performance.now()
      for (const { entry, letters } of outcomes) {
        stats.acknowledged++
        stats.deadLettered += letters.length
        stats.lag.record(now - receivedAt(entry.id), monotonic)
      }
    },
  }
}

/** Logs failed attempts, at most one a minute for each cause. @param idsOf gets the batch's trace ids */
export function warnAbout<Item extends SinkItem>(
  log: Logger,
  idsOf: (batch: Batch) => TraceIds = () => ({}),
): Partial<WorkerObserver<Item>> {
  const warnOnce = createWarnOnce(log)
  return {
    retried: (batch, { message }, attempt, pauseMs) =>
      warnOnce(message, { attempt, pauseMs: Math.round(pauseMs), ...(batch && idsOf(batch)) }),
  }
}
