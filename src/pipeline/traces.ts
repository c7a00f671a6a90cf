import { nameOfAll, type OnStreamCall } from '../stream/calls.js'
import type { Outcome } from '../stream/consumer.js'
import type { Entry } from '../stream/entry.js'
import type { PartitionKeys } from '../stream/keys.js'
import { ATTRIBUTE, streamSpan } from '../telemetry/names.js'
import type { Tracing } from '../telemetry/tracing.js'
import { BatchTrace } from './batch-trace.js'
import { linksTo, streamAttributes } from './steps.js'

/** Makes the spans of a worker. What the edge has not sampled makes none, and costs a look at a field. */
export interface WorkerTraces {
  /** To be given to the worker's consumer. */
  readonly onCall: OnStreamCall
  /**
   * Follows a batch through its work.
   * @param deliveries how often its entries had been delivered before
   * @param work settles them; it gets `undefined` where none of them is traced
   */
  follow(
    entries: readonly Entry[],
    deliveries: number,
    work: (trace: BatchTrace | undefined) => Promise<readonly Outcome[]>,
  ): Promise<void>
}

/** Traces of a worker that makes none. */
export const UNTRACED: WorkerTraces = {
  onCall: () => undefined,
  follow: async (_entries, _deliveries, work) => void (await work(undefined)),
}

/** @param group the worker's: the name of its sink */
export function createTraces(
  tracing: Tracing,
  group: string,
  partitions: readonly PartitionKeys[],
): WorkerTraces {
  const stream = nameOfAll(partitions, 'events')
  const streams = new Map(partitions.map(({ partition, events }) => [partition, events]))
  const tracedOf = (entries: readonly Entry[]) =>
    tracing.on ? entries.filter(({ trace }) => trace !== '') : []
  /** Those that are followed now. */
  const current = new Set<BatchTrace>()
  return {
    onCall(call) {
      const { operation, entries, startedAt, durationMs } = call
      if (operation === 'settle' || operation === 'bury') {
        for (const trace of current) if (trace.has(entries)) trace.onSettling(call)
        return
      }
      const traced = tracedOf(entries)
      if (traced.length === 0) return
      const startTime = tracing.now() - (performance.now() - startedAt)
      const span = tracing.startSpan(streamSpan(operation, stream), 'client', {
        links: linksTo(traced),
        attributes: { ...streamAttributes(operation, stream, group), [ATTRIBUTE.batchCount]: entries.length },
        startTime,
      })
      span.end({}, startTime + durationMs)
    },
    async follow(entries, deliveries, work) {
      const carrying = tracedOf(entries)
      const traced = carrying.slice(0, carrying.length > 0 ? tracing.afford(carrying.length) : 0)
      const trace =
        traced.length > 0
          ? new BatchTrace(tracing, { entries, deliveries, group, stream, streams }, traced)
          : undefined
      if (trace) current.add(trace)
      try {
        const outcomes = await work(trace)
        trace?.end(outcomes)
      } catch (error) {
        trace?.abandon(error)
        throw error
      } finally {
        if (trace) current.delete(trace)
      }
    },
  }
}
