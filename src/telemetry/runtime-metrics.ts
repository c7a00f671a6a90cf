import { getHeapStatistics } from 'node:v8'
import { AggregationType, type ViewOptions } from '@opentelemetry/sdk-metrics'
import type { Metrics } from './metrics.js'
import { LABEL, METRIC } from './names.js'

/**
 * Metrics of `@opentelemetry/instrumentation-runtime-node` that are dropped: some ten series for each space of the
 * heap. {@link observeRuntime} reports their sum instead.
 */
export const RUNTIME_VIEWS: ViewOptions[] = ['v8js.memory.*', 'v8js.resource.*'].map((instrumentName) => ({
  instrumentName,
  aggregation: { type: AggregationType.DROP },
}))

/** Adds the metrics of the process itself that no instrumentation has. */
export function observeRuntime(metrics: Metrics): void {
  const gauge = (name: string, description: string, read: () => number) =>
    metrics.observeGauge({ name, description, unit: 'By' }, () => [[read()]])
  gauge(METRIC.heapUsed, 'Used heap of V8', () => getHeapStatistics().used_heap_size)
  gauge(METRIC.heapLimit, 'Maximum heap of V8', () => getHeapStatistics().heap_size_limit)
  gauge(METRIC.memory, 'Memory of the process (RSS)', () => process.memoryUsage.rss())
  const cpu = { name: METRIC.cpuTime, description: 'CPU time of the process', unit: 's' }
  metrics.observeCounter(cpu, () => {
    const { user, system } = process.cpuUsage()
    return [
      [user / 1e6, { [LABEL.cpuMode]: 'user' }],
      [system / 1e6, { [LABEL.cpuMode]: 'system' }],
    ]
  })
}
