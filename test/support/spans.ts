import { emptyResource } from '@opentelemetry/resources'
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { createTracing, type Tracing } from '../../src/telemetry/tracing.js'

/** Tracing whose spans stay in the process, for the test to look at. */
export interface RecordedTracing {
  readonly tracing: Tracing
  /** Those that are finished. */
  readonly spans: InMemorySpanExporter
}

/** What spans of tests say of where they come from. */
export const ORIGIN = { resource: emptyResource(), instrumentationScope: { name: 'test' } }

/** @param ratio share of the requests that are sampled, 0 to 1 */
export function recordTracing(ratio = 1): RecordedTracing {
  const spans = new InMemorySpanExporter()
  const onEnd = (span: ReadableSpan) => spans.export([span], () => undefined)
  return { tracing: createTracing({ ...ORIGIN, onEnd }, ratio), spans }
}
