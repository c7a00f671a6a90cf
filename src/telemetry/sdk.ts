import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { detectResources, envDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import type { Logger } from 'pino'
import { type Config, ConfigError } from '../config.js'
import { MANIFEST } from '../manifest.js'
import { Losses } from './losses.js'
import { createMetrics, type Metrics, type Push } from './metrics.js'
import { ATTRIBUTE, METRIC, SERVICE } from './names.js'
import { observeRuntime } from './runtime-metrics.js'
import { createSpanExporter } from './span-exporter.js'
import { SpanQueue } from './spans.js'
import { createTracing, NO_TRACING, type Tracing } from './tracing.js'

/** How long the last telemetry may take to reach the collector when the process ends, in ms. */
const FLUSH_MS = 2_500

/** What a process tells of itself. */
export interface Telemetry {
  readonly tracing: Tracing
  readonly metrics: Metrics
  /** Sends what waits; gives up after 2.5 s, so that a collector that is away holds up no shutdown. */
  close(): Promise<void>
}

/** The variables that telemetry goes by. The SDK reads the other ones of OpenTelemetry itself. */
export type TelemetryConfig = Pick<
  Config,
  | 'OTEL_EXPORTER_OTLP_ENDPOINT'
  | 'OTEL_BSP_MAX_QUEUE_SIZE'
  | 'OTEL_METRIC_EXPORT_INTERVAL'
  | 'TRACE_SAMPLE_RATIO'
>

/**
 * Starts telemetry; without `OTEL_EXPORTER_OTLP_ENDPOINT` there are no spans, and metrics can only be pulled.
 * @param roles of the process
 * @throws ConfigError where that is no URL
 */
export function startTelemetry(config: TelemetryConfig, roles: readonly string[], log: Logger): Telemetry {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT
  const collector =
    endpoint === undefined ? undefined : { endpoint, losses: new Losses(log, hostOf(endpoint)) }
  const resource = resourceOf(roles)
  const metrics = createMetrics(resource, collector && pushTo(collector, config.OTEL_METRIC_EXPORT_INTERVAL))
  const endRuntime = observeRuntime(metrics)
  const lost = { name: METRIC.telemetryLost, description: 'Spans and pushes that no collector has taken' }
  metrics.observeCounter(lost, () => [[collector?.losses.total ?? 0]])
  const spans = collector && startSpans(collector, config, resource)
  return {
    tracing: spans?.tracing ?? NO_TRACING,
    metrics,
    close: async () => {
      await Promise.all([spans?.close(), within(FLUSH_MS, metrics.close())])
      endRuntime()
      collector?.losses.tell()
    },
  }
}

/** Who takes the telemetry, and what did not reach it. */
interface Collector {
  readonly endpoint: string
  readonly losses: Losses
}

function pushTo({ endpoint, losses }: Collector, everyMs: number): Push {
  const onLost = (why: string) => losses.add(1, 'pushes of metrics', why)
  return { url: signalUrl(endpoint, 'metrics'), everyMs, onLost }
}

function startSpans({ endpoint, losses }: Collector, config: TelemetryConfig, resource: Resource) {
  const exporter = createSpanExporter(signalUrl(endpoint, 'traces'))
  const queue = new SpanQueue(exporter, config.OTEL_BSP_MAX_QUEUE_SIZE, losses)
  const instrumentationScope = { name: SERVICE, version: MANIFEST.version }
  const onEnd = (span: ReadableSpan) => queue.onEnd(span)
  return {
    tracing: createTracing({ resource, instrumentationScope, onEnd }, config.TRACE_SAMPLE_RATIO, queue),
    close: async () => {
      await within(FLUSH_MS, queue.shutdown())
      queue.giveUp()
    },
  }
}

/** Who takes the telemetry, for a person: without what may be secret in a URL. */
function hostOf(endpoint: string): string {
  if (/^https?:/.test(endpoint) && URL.canParse(endpoint)) return new URL(endpoint).host
  throw new ConfigError('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL, such as http://127.0.0.1:4318')
}

/** Where a signal goes: the endpoint's path is the first part of it. */
export function signalUrl(endpoint: string, signal: 'traces' | 'metrics'): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/${signal}`
}

/** Who tells it; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win. */
export function resourceOf(roles: readonly string[]): Resource {
  return resourceFromAttributes({
    [ATTRIBUTE.serviceName]: [SERVICE, ...roles].join('-'),
    [ATTRIBUTE.serviceVersion]: MANIFEST.version,
    [ATTRIBUTE.serviceInstance]: randomUUID(),
    [ATTRIBUTE.hostName]: hostname(),
  }).merge(detectResources({ detectors: [envDetector] }))
}

/** Waits for work, or until the time is over. It may go on then, and fail, without anybody being told. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController()
  const timer = sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)
  await Promise.race([work.catch(() => undefined), timer])
  over.abort()
}
