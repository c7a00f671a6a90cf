import { getHeapStatistics } from 'node:v8'
import { AggregationType, type ViewOptions } from '@opentelemetry/sdk-metrics'
import type { Metrics } from './metrics.js'
import { LABEL, METRIC } from './names.js'

/**
 * What is left out of what `@opentelemetry/instrumentation-runtime-node` tells of the event loop and the garbage
 * collector: some ten series for each space of the heap. Their sum is told instead: {@link observeRuntime}.
 */
export const RUNTIME_VIEWS: ViewOptions[] = ['v8js.memory.*', 'v8js.resource.*'].map((instrumentName) => ({
  instrumentName,
  aggregation: { type: AggregationType.DROP },
}))

/** Keeps the metrics of the process itself that no instrumentation has. */
export function observeRuntime(metrics: Metrics): void {
  const gauge = (name: string, description: string, read: () => number) =>
    metrics.observeGauge({ name, description, unit: 'By' }, () => [[read()]])
  gauge(METRIC.heapUsed, 'Heap of V8 that is used', () => getHeapStatistics().used_heap_size)
  gauge(METRIC.heapLimit, 'Heap of V8 that there may be', () => getHeapStatistics().heap_size_limit)
  gauge(METRIC.memory, 'Memory of the process (RSS)', () => process.memoryUsage.rss())
  const cpu = { name: METRIC.cpuTime, description: 'Time that the process has had of its cores', unit: 's' }
  metrics.observeCounter(cpu, () => {
    const { user, system } = process.cpuUsage()
    return [
      [user / 1e6, { [LABEL.cpuMode]: 'user' }],
      [system / 1e6, { [LABEL.cpuMode]: 'system' }],
    ]
  })
}
