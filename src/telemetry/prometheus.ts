import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type MetricProducer,
  MetricReader,
} from '@opentelemetry/sdk-metrics'

/** `Content-Type` of Prometheus' text format. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** How Prometheus spells a unit at the end of a name. */
const SUFFIXES: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' }

/**
 * Reads all metrics when it is asked, as Prometheus' text format has them. The serializer of the SDK leaves units out
 * of the names; here they are in them, exactly as the OpenTelemetry Collector and Prometheus' own OTLP receiver put
 * them there: so rules and dashboards are the same whichever way the metrics come.
 */
export class PullReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer(undefined, false, undefined, true, true)

  /** @param metricProducers more metrics than those of the provider */
  constructor(metricProducers: MetricProducer[]) {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE, metricProducers })
  }

  /** The text. What cannot be read now is left out of it. */
  async text(): Promise<string> {
    const { resourceMetrics } = await this.collect()
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics)
    const scopeMetrics = [{ scope: { name: '' }, metrics: metrics.filter(hasPoints).map(renamed) }]
    return this.#serializer.serialize({ ...resourceMetrics, scopeMetrics })
  }

  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

function hasPoints({ dataPoints }: MetricData): boolean {
  return dataPoints.length > 0
}

function renamed<Data extends MetricData>(data: Data): Data {
  const { name, unit } = data.descriptor
  const suffix = unit === '1' && data.dataPointType === DataPointType.GAUGE ? 'ratio' : SUFFIXES[unit]
  const full = suffix === undefined || name.endsWith(suffix) ? name : `${name}.${suffix}`
  // Without a unit, as its line is no part of this format.
  return { ...data, descriptor: { ...data.descriptor, name: full, unit: '' } }
}
