import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createTracing, type SpanRoom, type Tracing } from '../../src/telemetry/tracing.js'

/** Tracing whose spans stay in the process, for the test to look at. */
export interface RecordedTracing {
  readonly tracing: Tracing
  /** Those that are finished. */
  readonly spans: InMemorySpanExporter
}

/**
 * @param ratio share of the requests that are sampled, 0 to 1
 * @param room default: without end
 */
export function recordTracing(ratio = 1, room?: SpanRoom): RecordedTracing {
  const spans = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] })
  return { tracing: createTracing(provider.getTracer('test'), ratio, room), spans }
}
