import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { context, metrics as metricsApi, trace } from '@opentelemetry/api'
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { AlwaysOnSampler, StackContextManager } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import { isDisabled, parsePairs, sampleRatio, targetOf } from '../config/otlp.js'
import type { Config } from '../config.js'
import { MANIFEST } from '../manifest.js'
import { checkFiles, createMetricExporter, createSpanExporter } from './exporters.js'
import { Losses } from './losses.js'
import { createMetrics, type Metrics } from './metrics.js'
import { ATTRIBUTE, METRIC, SERVICE } from './names.js'
import { observeRuntime, RUNTIME_VIEWS } from './runtime-metrics.js'
import { SpanBudget } from './span-budget.js'
import { createTracing, NO_TRACING, type Tracing } from './tracing.js'

/** Maximum time to send the last telemetry when the process ends, in ms. */
const FLUSH_MS = 2_500

/** The telemetry of a process. */
export interface Telemetry {
  readonly tracing: Tracing
  readonly metrics: Metrics
  /** Sends what is queued; gives up after 2.5 s, so that a collector that is down does not delay the shutdown. */
  close(): Promise<void>
}

/**
 * Starts OpenTelemetry's SDK. Without an endpoint there are no spans, and metrics can only be pulled. The SDK's
 * exporters read headers, compression, timeouts and certificates from the environment themselves.
 * @param roles of the process
 * @throws ConfigError where a certificate cannot be read
 */
export function startTelemetry(config: Config, roles: readonly string[], log: Logger): Telemetry {
  checkFiles(config)
  const losses = new Losses(log)
  const spans = budgetOf(config, losses)
  const metrics = createMetrics(pushOf(config, losses))
  if (isDisabled(config))
    return {
      tracing: NO_TRACING,
      metrics: { ...metrics, text: async () => DISABLED },
      close: async () => undefined,
    }
  const runtime = new RuntimeNodeInstrumentation()
  const sdk = new NodeSDK({
    resource: resourceOf(config, roles),
    autoDetectResources: false,
    metricReaders: metrics.readers,
    views: RUNTIME_VIEWS,
    instrumentations: [runtime],
    spanProcessors: spans ? [spans] : [],
    // The edge itself decides what is traced, before it starts a span.
    sampler: new AlwaysOnSampler(),
    logRecordProcessors: [],
    // The code passes contexts explicitly: an AsyncLocalStorage would make every promise more expensive.
    contextManager: new StackContextManager(),
    textMapPropagator: null,
  })
  sdk.start()
  observeRuntime(metrics)
  const lost = { name: METRIC.telemetryLost, description: 'Spans and pushes that no collector has taken' }
  metrics.observeCounter(lost, () => [[losses.total]])
  const tracer = trace.getTracer(SERVICE, MANIFEST.version)
  return {
    tracing: spans ? createTracing(tracer, sampleRatio(config), spans) : NO_TRACING,
    metrics,
    close: async () => {
      await within(FLUSH_MS, sdk.shutdown())
      runtime.disable()
      spans?.giveUp()
      losses.report()
      trace.disable()
      metricsApi.disable()
      context.disable()
    },
  }
}

/** The body of `/metrics` where telemetry is off. */
const DISABLED = '# OTEL_SDK_DISABLED\n'

function budgetOf(config: Config, losses: Losses): SpanBudget | undefined {
  const target = targetOf(config, 'TRACES')
  if (!target) return undefined
  const options = {
    exporter: createSpanExporter(target, losses),
    host: target.host,
    maxQueueSize: config.OTEL_BSP_MAX_QUEUE_SIZE,
    maxExportBatchSize: Math.min(config.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, config.OTEL_BSP_MAX_QUEUE_SIZE),
    scheduledDelayMillis: config.OTEL_BSP_SCHEDULE_DELAY,
    exportTimeoutMillis: config.OTEL_BSP_EXPORT_TIMEOUT,
  }
  return new SpanBudget(options, losses)
}

function pushOf(config: Config, losses: Losses) {
  const target = targetOf(config, 'METRICS')
  if (!target) return undefined
  const exporter = createMetricExporter(target, losses)
  return {
    exporter,
    everyMs: config.OTEL_METRIC_EXPORT_INTERVAL,
    timeoutMs: config.OTEL_METRIC_EXPORT_TIMEOUT,
  }
}

/** The resource of the process; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` override it. */
function resourceOf(config: Config, roles: readonly string[]): Resource {
  const name = config.OTEL_SERVICE_NAME
  return resourceFromAttributes({
    [ATTRIBUTE.serviceName]: [SERVICE, ...roles].join('-'),
    [ATTRIBUTE.serviceVersion]: MANIFEST.version,
    [ATTRIBUTE.serviceInstance]: randomUUID(),
    [ATTRIBUTE.hostName]: hostname(),
    ...parsePairs(config.OTEL_RESOURCE_ATTRIBUTES ?? ''),
    ...(name !== undefined && { [ATTRIBUTE.serviceName]: name }),
  })
}

/** Waits for work until the time is over. The work may continue after that; its errors are then ignored. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController()
  const timer = sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)
  await Promise.race([work.catch(() => undefined), timer])
  over.abort()
}
