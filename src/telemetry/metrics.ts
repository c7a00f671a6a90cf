import { type Attributes, metrics as api, type ObservableResult } from '@opentelemetry/api'
import {
  AggregationTemporality,
  type IMetricReader,
  InstrumentType,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import { Histogram, type HistogramOptions, type Labels } from './histogram.js'
import { SERVICE } from './names.js'
import { type Gauge, type InstrumentOptions, OwnProducer, type Read, readOrNothing } from './producer.js'
import { PrometheusPage } from './prometheus.js'

/** Where metrics are pushed to; they can be pulled in any case. */
export interface Push {
  readonly exporter: PushMetricExporter
  readonly everyMs: number
  readonly timeoutMs: number
}

/** The metrics of a process. Roles that create the same instrument share it. */
export interface Metrics {
  /** A count of events; a call costs about 1 us, so call it once a batch. */
  counter(options: InstrumentOptions): (count: number, labels?: Labels) => void
  /** Counts that exist already, read when a reader asks for them. */
  observeCounter(options: InstrumentOptions, read: Read): void
  /** Current values, read when a reader asks for them. A value that is not returned is absent. */
  observeGauge(options: InstrumentOptions, read: Read): void
  histogram(options: HistogramOptions): Histogram
  /** All metrics, in Prometheus' text format. */
  text(): Promise<string>
}

/** Metrics, and the readers that the SDK is started with to export them. */
export interface ReadableMetrics extends Metrics {
  readonly readers: IMetricReader[]
}

/** Creates the metrics of a process. Instruments work once the SDK has started. @param push default: only pulled */
export function createMetrics(push?: Push): ReadableMetrics {
  const histograms = new Map<string, Histogram>()
  const gauges = new Map<string, Gauge>()
  const producer = (temporality: AggregationTemporality) => [new OwnProducer(histograms, gauges, temporality)]
  const page = new PrometheusPage(producer(AggregationTemporality.CUMULATIVE))
  const meter = () => api.getMeter(SERVICE)
  return {
    readers: [page.reader, ...(push ? [pushReader(push, producer)] : [])],
    counter: ({ name, ...options }) => {
      const counter = meter().createCounter(name, options)
      return (count, labels) => counter.add(count, labels)
    },
    observeCounter: ({ name, ...options }, read) =>
      meter().createObservableCounter(name, options).addCallback(observer(read)),
    observeGauge: (options, read) => {
      const gauge = gauges.get(options.name) ?? { options, reads: [] }
      gauges.set(options.name, gauge)
      gauge.reads.push(read)
    },
    histogram: (options) => {
      const histogram = histograms.get(options.name) ?? new Histogram(options)
      histograms.set(options.name, histogram)
      return histogram
    },
    text: () => page.text(),
  }
}

/** Counts are cumulative, or as `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` says. */
function pushReader(
  { exporter, everyMs, timeoutMs }: Push,
  producer: (temporality: AggregationTemporality) => OwnProducer[],
): PeriodicExportingMetricReader {
  const temporality = exporter.selectAggregationTemporality?.(InstrumentType.HISTOGRAM)
  return new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: everyMs,
    // A slow collector must not get two pushes at a time.
    exportTimeoutMillis: Math.min(everyMs, timeoutMs),
    metricProducers: producer(temporality ?? AggregationTemporality.CUMULATIVE),
  })
}

function observer(read: Read): (result: ObservableResult<Attributes>) => Promise<void> {
  return async (result) => {
    for (const [value, labels] of await readOrNothing(read)) result.observe(value, labels)
  }
}
