import { REASONS } from '../errors.js'
import { type Labels, type Series, SHORT } from './histogram.js'
import type { Metrics } from './metrics.js'
import { ATTRIBUTE, DEAD_LETTERS, LABEL, METRIC, OPERATION, OPERATION_DURATION } from './names.js'
import type { Reading } from './producer.js'

/** The current counts and gauges of an edge. */
export interface EdgeFigures {
  /** Requests that were refused, by the code of the answer. */
  readonly refused: Readonly<Record<string, number>>
  readonly aborted: number
  readonly inFlight: number
  readonly connections: number
  readonly turnedAway: number
  readonly bufferedBytes: number
  /** Share of requests that are admitted, 0 to 1. */
  readonly admitted: number
}

/** Records how long a request took, by the status of its answer. Costs about 0.1 us. */
export type RecordRequest = (status: number, ms: number) => void

/** The metrics of an edge. */
export class EdgeMetrics {
  readonly #requests
  readonly #appends
  readonly #sent
  readonly #deadLettered

  constructor(private readonly metrics: Metrics) {
    this.#requests = metrics.histogram({
      name: METRIC.requestDuration,
      description: 'From the headers of a request to its answer',
      unit: 's',
      bounds: SHORT,
    })
    this.#appends = metrics
      .histogram({ ...OPERATION_DURATION, bounds: SHORT })
      .with({ [ATTRIBUTE.operationName]: OPERATION.append })
    this.#sent = metrics.counter({
      name: METRIC.sent,
      description: 'Webhooks that were appended to the log',
      unit: '{message}',
    })
    this.#sent(0)
    this.#deadLettered = metrics.counter(DEAD_LETTERS)
    for (const reason of Object.keys(REASONS)) this.#deadLettered(0, labelsOf(reason))
  }

  /** @param path of the contract; `undefined` for requests that are not webhooks */
  route(path: string | undefined): RecordRequest {
    const series = new Map<number, Series>()
    const begin = (status: number) => {
      const route = path === undefined ? {} : { [ATTRIBUTE.route]: path }
      const begun = this.#requests.with({ ...route, [ATTRIBUTE.statusCode]: status })
      series.set(status, begun)
      return begun
    }
    return (status, ms) => (series.get(status) ?? begin(status)).record(ms / 1_000)
  }

  /** Records a call that appended webhooks, or failed to. @param count of those that are in the log now */
  appended(durationMs: number, count: number): void {
    this.#appends.record(durationMs / 1_000)
    if (count > 0) this.#sent(count)
  }

  /** Records a call that wrote dead letters. @param reasons of each of them */
  deadLettered(durationMs: number, reasons: readonly string[]): void {
    this.#appends.record(durationMs / 1_000)
    for (const reason of reasons) this.#deadLettered(1, labelsOf(reason))
  }

  /** Reports the HTTP server of the edge: a gauge that is always 1, with the server as its label. */
  runsOn(server: string): void {
    const options = { name: METRIC.httpServer, description: 'HTTP server that the edge runs on: uws or node' }
    this.metrics.observeGauge(options, () => [[1, { [LABEL.server]: server }]])
  }

  /** @param read returns the current figures; called for every metric of a scrape */
  watch(read: () => EdgeFigures): void {
    const { metrics } = this
    const refused = () =>
      Object.entries(read().refused).map(([reason, count]): Reading => [count, { [LABEL.reason]: reason }])
    const rejected = {
      name: METRIC.rejected,
      description: 'Requests that were not accepted, by the code of the answer',
      unit: '{request}',
    }
    metrics.observeCounter(rejected, refused)
    const counts = [
      [METRIC.aborted, 'Requests whose sender went away before the answer', '{request}', 'aborted'],
      [METRIC.turnedAway, 'Connections that were closed at once: too many', '{connection}', 'turnedAway'],
    ] as const
    for (const [name, description, unit, key] of counts) {
      metrics.observeCounter({ name, description, unit }, () => [[read()[key]]])
    }
    const gauges = [
      [METRIC.inFlight, 'Requests that wait for their answer', '{request}', 'inFlight'],
      [METRIC.connections, 'Connections that are open', '{connection}', 'connections'],
      [METRIC.buffered, 'Memory of bodies that arrive or wait for Redis', 'By', 'bufferedBytes'],
      [METRIC.admitted, 'Share of requests that the backlog lets in', '1', 'admitted'],
    ] as const
    for (const [name, description, unit, key] of gauges) {
      metrics.observeGauge({ name, description, unit }, () => [[read()[key]]])
    }
  }
}

const LABELS_OF_EDGE = { [LABEL.sink]: 'edge' }

function labelsOf(reason: string): Labels {
  return { ...LABELS_OF_EDGE, [LABEL.reason]: reason }
}
