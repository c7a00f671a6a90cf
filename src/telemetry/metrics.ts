import type { Attributes, ObservableResult } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  InstrumentType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import { Histogram, type HistogramOptions, HistogramProducer, type Labels } from './histogram.js'
import { explainExport } from './losses.js'
import { SERVICE } from './names.js'
import { PullReader } from './prometheus.js'

/** What a counter or a gauge is. */
export interface InstrumentOptions {
  readonly name: string
  readonly description: string
  /** As UCUM has it: `s`, `By`, `{request}`; `1` is a share of 0 to 1, and empty what has no unit. */
  readonly unit?: string
}

/** A value at the moment of the reading, and its labels. */
export type Reading = readonly [value: number, labels?: Labels]

/** Where metrics are pushed to, besides being there to be pulled. */
export interface Push {
  /** Of the collector, for metrics. */
  readonly url: string
  readonly everyMs: number
  /** Is told why the collector has not taken a push. */
  onLost(why: string): void
}

/** The metrics of a process. An instrument that several roles make is one. */
export interface Metrics {
  /** A count of events; it costs 2 to 4 us a call, so call it once a batch. */
  counter(options: InstrumentOptions): (count: number, labels?: Labels) => void
  /** Counts that somebody keeps anyway, read when they are asked for. */
  observeCounter(options: InstrumentOptions, read: Read): void
  /** Values of the moment, read when they are asked for. What is not told is absent. */
  observeGauge(options: InstrumentOptions, read: Read): void
  histogram(options: HistogramOptions): Histogram
  /** All of it, as Prometheus' text format. */
  text(): Promise<string>
  /** Pushes what has not been pushed, and ends. */
  close(): Promise<void>
}

/** Tells the values of the moment. */
export type Read = () => Iterable<Reading> | Promise<Iterable<Reading>>

/** A reading that takes longer is left out of the scrape, in ms: whoever asks will not wait for ever. */
const READ_MS = 2_000

/** Starts to keep metrics. @param push default: they are there to be pulled, and go nowhere */
export function createMetrics(resource: Resource, push?: Push): Metrics {
  const histograms = new Map<string, Histogram>()
  const producer = (temporality: AggregationTemporality) => [
    new HistogramProducer({ [Symbol.iterator]: () => histograms.values() }, temporality),
  ]
  const pull = new PullReader(producer(AggregationTemporality.CUMULATIVE))
  const readers = [pull, ...(push ? [pushReader(push, producer)] : [])]
  const provider = new MeterProvider({ resource, readers })
  const meter = provider.getMeter(SERVICE)
  return {
    counter: ({ name, ...options }) => {
      const counter = meter.createCounter(name, options)
      return (count, labels) => counter.add(count, labels)
    },
    observeCounter: ({ name, ...options }, read) =>
      meter.createObservableCounter(name, options).addCallback(observer(read)),
    observeGauge: ({ name, ...options }, read) =>
      meter.createObservableGauge(name, options).addCallback(observer(read)),
    histogram: (options) => {
      const histogram = histograms.get(options.name) ?? new Histogram(options)
      histograms.set(options.name, histogram)
      return histogram
    },
    text: () => pull.text(),
    close: () => provider.shutdown(),
  }
}

/** Cumulative, or what `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` asks for. */
function pushReader(
  { url, everyMs, onLost }: Push,
  producer: (temporality: AggregationTemporality) => HistogramProducer[],
): PeriodicExportingMetricReader {
  const exporter = new TellingExporter({ url }, onLost)
  const temporality = exporter.selectAggregationTemporality(InstrumentType.HISTOGRAM)
  return new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: everyMs,
    // A collector that is slow must not have two pushes at a time.
    exportTimeoutMillis: Math.min(everyMs, 10_000),
    metricProducers: producer(temporality),
  })
}

/** The SDK keeps to itself what a push fails by. */
class TellingExporter extends OTLPMetricExporter {
  constructor(
    config: { readonly url: string },
    private readonly onLost: (why: string) => void,
  ) {
    super(config)
  }

  override export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
    super.export(metrics, (result) => {
      if (result.code !== ExportResultCode.SUCCESS) this.onLost(explainExport(result.error))
      done(result)
    })
  }
}

/** Of a reading that fails or hangs the metric is absent; what is behind it tells its trouble itself. */
function observer(read: Read): (result: ObservableResult<Attributes>) => Promise<void> {
  return async (result) => {
    const readings = await orNothing(read)
    for (const [value, labels] of readings) result.observe(value, labels)
  }
}

async function orNothing(read: Read): Promise<Iterable<Reading>> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Iterable<Reading>>((resolve) => {
    timer = setTimeout(() => resolve([]), READ_MS)
  })
  try {
    return await Promise.race([read(), tooLate])
  } catch {
    return []
  } finally {
    clearTimeout(timer)
  }
}
