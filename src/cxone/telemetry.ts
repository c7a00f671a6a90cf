import { type Histogram, type Series, SHORT } from '../telemetry/histogram.js'
import type { Metrics } from '../telemetry/metrics.js'
import { ATTRIBUTE, METRIC, requestSpan } from '../telemetry/names.js'
import type { Tracing } from '../telemetry/tracing.js'

/** One request to CXone, after its end. */
export interface Exchange {
  readonly method: string
  /** Path with `{id}` for ids, so that it is no id itself. */
  readonly route: string
  readonly host: string
  readonly durationMs: number
  /** Status of the answer; `undefined` where there was no whole answer. */
  readonly status: number | undefined
  /** Code of the error where there was no whole answer. */
  readonly error: string | undefined
  /** `traceparent` of the work that it belongs to; left out where that is not traced. */
  readonly parent: string | undefined
}

/** Called with each finished request. It must not throw, and must be quick. */
export type Observe = (exchange: Exchange) => void

/** Bounds of answers, in seconds: CXone may take longer than our own servers. */
const BOUNDS = [...SHORT, 30, 60]

/**
 * Makes a metric of each request, and a span where its work is traced. Neither has a body, a token or an id.
 * @returns the observer for the client
 */
export function observeCxone(metrics: Metrics, tracing: Tracing): Observe {
  const durations: Histogram = metrics.histogram({
    name: METRIC.clientRequestDuration,
    description: 'Requests to CXone, from their start to the end of the answer',
    unit: 's',
    bounds: BOUNDS,
  })
  const series = new Map<string, Series>()
  return (exchange) => {
    const { method, route, status, error, durationMs, parent } = exchange
    const outcome = status ?? error ?? 'unknown'
    const key = `${method} ${route} ${outcome}`
    const labels = {
      [ATTRIBUTE.method]: method,
      [ATTRIBUTE.urlTemplate]: route,
      ...(status === undefined ? { [ATTRIBUTE.errorType]: outcome } : { [ATTRIBUTE.statusCode]: status }),
    }
    const known = series.get(key) ?? durations.with(labels)
    series.set(key, known)
    known.record(durationMs / 1_000)
    if (!parent || !tracing.on) return
    const startTime = tracing.now() - durationMs
    const attributes = { ...labels, [ATTRIBUTE.serverAddress]: exchange.host }
    const span = tracing.startSpan(requestSpan(method, route), 'client', { parent, attributes, startTime })
    if (status !== undefined && status < 400) span.end()
    else span.fail(String(outcome))
  }
}
