import type { HrTime } from '@opentelemetry/api'
import { hrTime } from '@opentelemetry/core'
import { emptyResource } from '@opentelemetry/resources'
import {
  type AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type GaugeMetricData,
  type HistogramMetricData,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import type { Histogram, Labels, Series } from './histogram.js'
import { SERVICE } from './names.js'

/** What defines a counter or a gauge. */
export interface InstrumentOptions {
  readonly name: string
  readonly description: string
  /** In UCUM: `s`, `By`, `{request}`; `1` for a share of 0 to 1, and empty for a value without a unit. */
  readonly unit?: string
}

/** A value at the moment of the reading, and its labels. */
export type Reading = readonly [value: number, labels?: Labels]

/** Returns the current values. */
export type Read = () => Iterable<Reading> | Promise<Iterable<Reading>>

/** A gauge, and all functions that read its values. */
export interface Gauge {
  readonly options: InstrumentOptions
  readonly reads: Read[]
}

/** Maximum time of a reading, in ms; a slower one is left out, because a scraper does not wait for ever. */
const READ_MS = 2_000

/** `ValueType.DOUBLE`: the import would load the whole enumeration for this one number. */
const DOUBLE = 1
/** `AggregationTemporality.DELTA`. */
const DELTA = 0 satisfies AggregationTemporality

/** The counts between two bounds and their sum. */
interface Content {
  readonly counts: readonly number[]
  readonly sum: number
}

/**
 * Exports histograms and gauges to one reader. Histograms: totals since the start, or the change since the reader's
 * last request. Gauges: only the current values. The SDK's own observable gauges repeat a label's last value for ever,
 * so the backlog of a removed group would stay on every dashboard.
 */
export class OwnProducer implements MetricProducer {
  readonly #started = hrTime()
  #askedAt: HrTime = this.#started
  readonly #exported = new Map<Series, Content>()

  /**
   * @param histograms all histograms; more may be added later
   * @param gauges likewise
   */
  constructor(
    private readonly histograms: ReadonlyMap<string, Histogram>,
    private readonly gauges: ReadonlyMap<string, Gauge>,
    private readonly temporality: AggregationTemporality,
  ) {}

  async collect(): Promise<CollectionResult> {
    const now = hrTime()
    const since = this.temporality === DELTA ? this.#askedAt : this.#started
    const histograms = Array.from(this.histograms.values(), (one) => this.#readHistogram(one, since, now))
    this.#askedAt = now
    const gauges = await Promise.all(Array.from(this.gauges.values(), (gauge) => readGauge(gauge, now)))
    const metrics = [...histograms, ...gauges].filter(hasPoints)
    // The reader knows the resource already and ignores this one.
    return {
      resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: { name: SERVICE }, metrics }] },
      errors: [],
    }
  }

  #readHistogram({ options, series }: Histogram, startTime: HrTime, endTime: HrTime): HistogramMetricData {
    const { name, description, unit, bounds } = options
    const dataPoints = series.map((one) => {
      const { counts, sum } = this.temporality === DELTA ? this.#newOf(one) : one
      const count = counts.reduce((total, part) => total + part, 0)
      const value = { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count }
      return { startTime, endTime, attributes: { ...one.labels }, value }
    })
    return {
      descriptor: { name, description, unit, valueType: DOUBLE },
      aggregationTemporality: this.temporality,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints,
    }
  }

  #newOf(series: Series): Content {
    const last = this.#exported.get(series)
    this.#exported.set(series, { counts: [...series.counts], sum: series.sum })
    if (!last) return series
    const counts = series.counts.map((count, i) => count - (last.counts[i] ?? 0))
    return { counts, sum: series.sum - last.sum }
  }
}

async function readGauge({ options, reads }: Gauge, time: HrTime): Promise<GaugeMetricData> {
  const { name, description, unit = '' } = options
  const readings = await Promise.all(reads.map(readOrNothing))
  return {
    descriptor: { name, description, unit, valueType: DOUBLE },
    // The type requires it, though a gauge does not use it.
    aggregationTemporality: DELTA,
    dataPointType: DataPointType.GAUGE,
    dataPoints: readings.flatMap((some) =>
      Array.from(some, ([value, labels]) => ({
        startTime: time,
        endTime: time,
        attributes: { ...labels },
        value,
      })),
    ),
  }
}

/** A reading that fails or hangs makes its metric absent; the component behind it reports the error itself. */
export async function readOrNothing(read: Read): Promise<Iterable<Reading>> {
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

/** A metric without values is not exported. */
export function hasPoints({ dataPoints }: MetricData): boolean {
  return dataPoints.length > 0
}
