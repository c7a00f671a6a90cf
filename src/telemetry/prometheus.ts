import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import {
  DataPointType,
  type IMetricReader,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import { hasPoints } from './producer.js'

/** `Content-Type` of Prometheus' text format. */
const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
/** `Content-Type` of OpenMetrics. */
const OPENMETRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** How Prometheus spells a unit at the end of a name. */
const SUFFIXES: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' }

/**
 * Reads all metrics when a scraper asks, in Prometheus' text format. The SDK's serializer leaves units out of the
 * names; this one puts them in, exactly as the OpenTelemetry Collector and Prometheus' own OTLP receiver do. So rules
 * and dashboards are the same for both ways of the metrics.
 */
export class PrometheusPage {
  readonly #serializer = new PrometheusSerializer(undefined, false, undefined, true, true)
  readonly #exporter: PrometheusExporter

  /** @param metricProducers provide more metrics than those of the provider */
  constructor(metricProducers: MetricProducer[]) {
    this.#exporter = new PrometheusExporter({ preventServerStart: true, metricProducers })
  }

  /** For the SDK. */
  get reader(): IMetricReader {
    return this.#exporter
  }

  /** The text. A metric that cannot be read now is left out. @throws Error before the SDK has started */
  async text(): Promise<string> {
    const { resourceMetrics } = await this.#exporter.collect()
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
    const scopeMetrics = [{ scope: { name: '' }, metrics: metrics.filter(hasPoints).map(renamed) }]
    return this.#serializer.serialize({ ...resourceMetrics, scopeMetrics })
  }
}

/** The same metrics in the format that the scraper prefers: OpenMetrics where its `Accept` names it. */
export function inFormatOf(accept: string | undefined, text: string): { type: string; body: string } {
  if (!accept?.includes('application/openmetrics-text')) return { type: PROMETHEUS_TYPE, body: text }
  // In OpenMetrics a counter's family has the name without _total, its samples have it.
  const lines = text.replace(/^# (HELP|TYPE) (\S+)_total /gm, '# $1 $2 ')
  return { type: OPENMETRICS_TYPE, body: `${lines.trimEnd()}\n# EOF\n` }
}

function renamed<Data extends MetricData>(data: Data): Data {
  const { name, unit } = data.descriptor
  const suffix = unit === '1' && data.dataPointType === DataPointType.GAUGE ? 'ratio' : SUFFIXES[unit]
  const full = suffix === undefined || name.endsWith(suffix) ? name : `${name}.${suffix}`
  // Without a unit: this format has no line for it.
  return { ...data, descriptor: { ...data.descriptor, name: full, unit: '' } }
}
