import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http'
import { ProtobufTraceSerializer, TraceExporterMetricsHelper } from '@opentelemetry/otlp-transformer'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base'
import { encodeSpans } from './encode-spans.js'

/**
 * OpenTelemetry's exporter of spans by OTLP over HTTP, with its variables, timeouts and attempts, but for how the
 * spans are written.
 */
export function createSpanExporter(url: string): SpanExporter {
  const headers = { 'Content-Type': 'application/x-protobuf' }
  const options = convertLegacyHttpOptions({ url }, 'TRACES', 'v1/traces', headers)
  const serializer = { ...ProtobufTraceSerializer, serializeRequest: encodeSpans }
  const delegate = createOtlpHttpExportDelegate<ReadableSpan[], unknown>(
    options,
    serializer,
    'otlp_http_span_exporter',
    TraceExporterMetricsHelper,
    undefined,
  )
  return new OTLPExporterBase(delegate)
}
