import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Metrics, Reading } from './metrics.js'
import { LABEL, METRIC } from './names.js'

/** From one look at the event loop to the next, in ms. It costs a timer: about 0.1 % of a core at this pace. */
const RESOLUTION_MS = 10
/** What is told of the event loop is about the last stretch of this length, in ms. */
const WINDOW_MS = 10_000

/** How the event loop did for a while. Delays in seconds. */
interface Loop {
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Share of the time that it worked, 0 to 1. */
  readonly utilization: number
}

/** Keeps the metrics of the process itself. @returns ends it */
export function observeRuntime(metrics: Metrics): () => void {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  monitor.enable()
  let begun = performance.eventLoopUtilization()
  const look = (): Loop => ({
    p50: delay(monitor.percentile(50)),
    p99: delay(monitor.percentile(99)),
    max: delay(monitor.max),
    utilization: performance.eventLoopUtilization(begun).utilization,
  })
  let last: Loop | undefined
  const window = setInterval(() => {
    last = look()
    monitor.reset()
    begun = performance.eventLoopUtilization()
  }, WINDOW_MS).unref()

  const gauge = (name: string, description: string, unit: string, read: () => number) =>
    metrics.observeGauge({ name, description, unit }, () => [[read()]])
  const now = () => last ?? look()
  gauge(
    METRIC.loopDelayP50,
    'How late the event loop was in the last 10 s: half of the times',
    's',
    () => now().p50,
  )
  gauge(
    METRIC.loopDelayP99,
    'How late the event loop was in the last 10 s: 99 of 100 times',
    's',
    () => now().p99,
  )
  gauge(METRIC.loopDelayMax, 'How late the event loop was in the last 10 s at most', 's', () => now().max)
  gauge(
    METRIC.loopUtilization,
    'Share of the last 10 s that the event loop worked',
    '1',
    () => now().utilization,
  )
  gauge(METRIC.heapUsed, 'Heap of V8 that is used', 'By', () => getHeapStatistics().used_heap_size)
  gauge(METRIC.heapLimit, 'Heap of V8 that there may be', 'By', () => getHeapStatistics().heap_size_limit)
  gauge(METRIC.memory, 'Memory of the process (RSS)', 'By', () => process.memoryUsage.rss())
  const cpu = { name: METRIC.cpuTime, description: 'Time that the process has had of its cores', unit: 's' }
  metrics.observeCounter(cpu, () => {
    const { user, system } = process.cpuUsage()
    return [cpuTime('user', user), cpuTime('system', system)]
  })
  return () => {
    clearInterval(window)
    monitor.disable()
  }
}

function cpuTime(mode: string, micros: number): Reading {
  return [micros / 1e6, { [LABEL.cpuMode]: mode }]
}

/** The monitor tells the time from one look to the next, in ns; what is beyond its pace is the delay. */
function delay(ns: number): number {
  return Number.isFinite(ns) ? Math.max(0, ns / 1e9 - RESOLUTION_MS / 1_000) : 0
}
