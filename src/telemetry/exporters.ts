import { accessSync, constants } from 'node:fs'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPMetricExporterBase } from '@opentelemetry/exporter-metrics-otlp-http'
import { type IOtlpExportDelegate, OTLPExporterBase } from '@opentelemetry/otlp-exporter-base'
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http'
import {
  convertLegacyOtlpGrpcOptions,
  createOtlpGrpcExportDelegate,
} from '@opentelemetry/otlp-grpc-exporter-base'
import {
  type IExporterMetricsHelper,
  type ISerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer'
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { Target } from '../config/otlp.js'
import { type Config, ConfigError } from '../config.js'
import { explainExport, type Losses } from './losses.js'

/** A collector's answer to an export: how much of it the collector rejected, and why. */
interface Reply {
  readonly rejected: number
  readonly message: string
}

/** The parts of OpenTelemetry's exporters for one signal. */
interface Parts<Items, Response> {
  readonly protobuf: ISerializer<Items, Response>
  readonly json: ISerializer<Items, Response>
  readonly helper: IExporterMetricsHelper<Items>
  readonly service: string
  replyOf(response: Response): Reply | undefined
  /** The number of items that a failed export loses. */
  lostOf(items: Items): number
  readonly lost: string
  readonly rejected: string
}

/** Creates the OTLP exporter of spans, set by OpenTelemetry's variables. @throws ConfigError as {@link checkFiles} */
export function createSpanExporter(target: Target, losses: Losses): SpanExporter {
  return new OTLPExporterBase(
    delegateOf(target, losses, {
      protobuf: ProtobufTraceSerializer,
      json: JsonTraceSerializer,
      helper: TraceExporterMetricsHelper,
      service: 'trace.v1.TraceService',
      replyOf: ({ partialSuccess: it }) =>
        it && { rejected: Number(it.rejectedSpans ?? 0), message: it.errorMessage ?? '' },
      lostOf: (spans) => spans.length,
      lost: 'spans',
      rejected: 'spans',
    }),
  )
}

/** Creates the OTLP exporter of metrics, likewise. */
export function createMetricExporter(target: Target, losses: Losses): PushMetricExporter {
  return new OTLPMetricExporterBase(
    delegateOf(target, losses, {
      protobuf: ProtobufMetricsSerializer,
      json: JsonMetricsSerializer,
      helper: MetricsExporterMetricsHelper,
      service: 'metrics.v1.MetricsService',
      replyOf: ({ partialSuccess: it }) =>
        it && { rejected: Number(it.rejectedDataPoints ?? 0), message: it.errorMessage ?? '' },
      lostOf: () => 1,
      lost: 'pushes of metrics',
      rejected: 'points of metrics',
    }),
  )
}

/** @throws ConfigError that names the variable of an unreadable file: the SDK would start without the file */
export function checkFiles(config: Config): void {
  const mistakes = Object.entries(config).flatMap(([name, path]) => {
    if (!/^OTEL_EXPORTER_OTLP_.*(CERTIFICATE|CLIENT_KEY)$/.test(name) || typeof path !== 'string') return []
    try {
      accessSync(path, constants.R_OK)
      return []
    } catch (error) {
      return [`${name} names a file that cannot be read: ${String(error)}`]
    }
  })
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'))
}

/**
 * Sends by one protocol, and counts what is lost. OpenTelemetry's exporters count everything that is answered with
 * 200 as delivered: also a proxy's page, and items that the collector rejected.
 */
function delegateOf<Items, Response>(
  { signal, protocol, url, host }: Target,
  losses: Losses,
  parts: Parts<Items, Response>,
): IOtlpExportDelegate<Items> {
  /** The answer to the current export: the SDK reads the answer and ends the export in one go. */
  let answer: Reply | 'no OTLP' | undefined
  const listening = (serializer: ISerializer<Items, Response>, isOtlp: (data: Uint8Array) => boolean) => ({
    ...serializer,
    deserializeResponse: (data: Uint8Array) => {
      answer = 'no OTLP'
      if (!isOtlp(data)) throw new Error('The answer is no OTLP')
      const response = serializer.deserializeResponse(data)
      answer = parts.replyOf(response)
      return response
    },
  })
  const component = `otlp_${signal.toLowerCase()}`
  const http = (serializer: ISerializer<Items, Response>, type: string) =>
    createOtlpHttpExportDelegate(
      convertLegacyHttpOptions({ url }, signal, `v1/${signal.toLowerCase()}`, { 'Content-Type': type }),
      serializer,
      component,
      parts.helper,
      undefined,
    )
  const inner = {
    'http/protobuf': () =>
      http(
        listening(parts.protobuf, () => true),
        'application/x-protobuf',
      ),
    'http/json': () => http(listening(parts.json, isJson), 'application/json'),
    grpc: () =>
      createOtlpGrpcExportDelegate(
        convertLegacyOtlpGrpcOptions({ url }, signal),
        listening(parts.protobuf, () => true),
        component,
        parts.helper,
        undefined,
        `${signal}ExportService`,
        `/opentelemetry.proto.collector.${parts.service}/Export`,
      ),
  }[protocol]()
  const note = (items: Items, { code, error }: ExportResult) => {
    const reply = answer
    answer = undefined
    const lose = (why: string) => losses.add(parts.lostOf(items), `${parts.lost} to ${host}`, why)
    if (code !== ExportResultCode.SUCCESS) lose(explainExport(error))
    else if (reply === 'no OTLP')
      lose('it answers 200 with a body that is not OTLP. Does the endpoint name a collector?')
    else if (reply && reply.rejected > 0)
      losses.add(reply.rejected, `${parts.rejected} to ${host}`, `rejected: ${reply.message}`)
    else if (reply && reply.message !== '') losses.warn(`The collector ${host} says: ${reply.message}`)
  }
  return {
    export: (items, done) =>
      inner.export(items, (result) => {
        note(items, result)
        // The loss is logged already; the SDK would log it again.
        done({ code: ExportResultCode.SUCCESS })
      }),
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown(),
    setMetrics: (metrics) => inner.setMetrics(metrics),
  }
}

/** An empty answer means that the collector accepted everything. */
function isJson(data: Uint8Array): boolean {
  if (data.length === 0) return true
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString())
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}
