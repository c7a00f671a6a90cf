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

/** What a counter or a gauge is. */
export interface InstrumentOptions {
  readonly name: string
  readonly description: string
  /** As UCUM has it: `s`, `By`, `{request}`; `1` is a share of 0 to 1, and empty what has no unit. */
  readonly unit?: string
}

/** A value at the moment of the reading, and its labels. */
export type Reading = readonly [value: number, labels?: Labels]

/** Tells the values of the moment. */
export type Read = () => Iterable<Reading> | Promise<Iterable<Reading>>

/** A gauge, and all that tell values for it. */
export interface Gauge {
  readonly options: InstrumentOptions
  readonly reads: Read[]
}

/** A reading that takes longer is left out, in ms: a scraper does not wait for ever. */
const READ_MS = 2_000

/** `ValueType.DOUBLE`: the enumeration would be loaded for this one number. */
const DOUBLE = 1
/** `AggregationTemporality.DELTA`. */
const DELTA = 0 satisfies AggregationTemporality

/** What is counted between two bounds, and all of it together. */
interface Content {
  readonly counts: readonly number[]
  readonly sum: number
}

/**
 * Brings histograms and gauges to one reader. Histograms: since the start, or what has come since it asked last.
 * Gauges: what is told now, and nothing else. The SDK's own observable gauges tell a label's last value for ever, so
 * the backlog of a group that is gone would stay on every dashboard.
 */
export class OwnProducer implements MetricProducer {
  readonly #started = hrTime()
  #askedAt: HrTime = this.#started
  readonly #told = new Map<Series, Content>()

  /**
   * @param histograms all there are; more may come
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
    // The reader has the resource: what is said of it here goes nowhere.
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
    const told = this.#told.get(series)
    this.#told.set(series, { counts: [...series.counts], sum: series.sum })
    if (!told) return series
    const counts = series.counts.map((count, i) => count - (told.counts[i] ?? 0))
    return { counts, sum: series.sum - told.sum }
  }
}

async function readGauge({ options, reads }: Gauge, time: HrTime): Promise<GaugeMetricData> {
  const { name, description, unit = '' } = options
  const readings = await Promise.all(reads.map(readOrNothing))
  return {
    descriptor: { name, description, unit, valueType: DOUBLE },
    // The type has one, though a gauge has no use for it.
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

/** Of a reading that fails or hangs the metric is absent; what is behind it tells its trouble itself. */
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

function hasPoints({ dataPoints }: MetricData): boolean {
  return dataPoints.length > 0
}
