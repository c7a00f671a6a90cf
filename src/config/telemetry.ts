import { type TSchema, Type } from 'typebox'
import { choice, count, optional, share, url } from './types.js'

const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc']
/** Upper or lower case: the specification allows both. */
const BOOLEAN = '^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$'

/** Samplers that decide without another service: each edge makes the first decision on a request. */
const SAMPLERS = ['always_on', 'always_off', 'traceidratio'].flatMap((name) => [name, `parentbased_${name}`])

/** The variables of telemetry. OpenTelemetry's own have the meaning of its specification. */
export const TELEMETRY = {
  TRACE_SAMPLE_RATIO: share(
    'Share of the requests that the edge traces, 0 to 1; only where traces are sent. OTEL_TRACES_SAMPLER overrides it',
    0.01,
  ),
  OTEL_SDK_DISABLED: Type.String({
    description: 'true: no traces and no metrics at all',
    default: 'false',
    pattern: BOOLEAN,
  }),
  OTEL_TRACES_EXPORTER: optional('otlp, or none; default: otlp where there is an endpoint for traces'),
  OTEL_METRICS_EXPORTER: optional(
    'otlp, prometheus (/metrics, which is always served), or none; default: otlp where there is an endpoint for metrics',
  ),
  OTEL_TRACES_SAMPLER: choice('What the edge traces, in place of TRACE_SAMPLE_RATIO', SAMPLERS),
  OTEL_TRACES_SAMPLER_ARG: Type.Optional(
    Type.Number({ description: 'Share of the requests for traceidratio, 0 to 1', minimum: 0, maximum: 1 }),
  ),
  OTEL_BSP_MAX_QUEUE_SIZE: count(
    'Maximum queue of spans for the collector; further ones are dropped',
    8_192,
    512,
    1_000_000,
  ),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: count('Maximum spans in one export', 512, 1, 1_000_000),
  OTEL_BSP_SCHEDULE_DELAY: count('How long spans wait for a fuller export, in ms', 5_000, 1, 3_600_000),
  OTEL_BSP_EXPORT_TIMEOUT: count(
    'After this time the next export of spans starts, in ms',
    30_000,
    1,
    3_600_000,
  ),
  OTEL_METRIC_EXPORT_INTERVAL: count(
    'Interval between pushes of metrics to the collector, in ms',
    60_000,
    100,
    3_600_000,
  ),
  OTEL_METRIC_EXPORT_TIMEOUT: count(
    'Maximum time of a push of metrics, in ms; never more than the interval',
    30_000,
    1,
    3_600_000,
  ),
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: choice('Whether counts are pushed as totals', [
    'cumulative',
    'delta',
    'lowmemory',
  ]),
  OTEL_SERVICE_NAME: optional('`service.name` in telemetry, in place of tributary-<role>'),
  OTEL_RESOURCE_ATTRIBUTES: optional(
    'More attributes of this process in telemetry: name=value, comma-separated, percent-encoded',
  ),
}

/** The collector's variables: for all signals, and for each signal, which override the general ones. */
export const COLLECTOR: Readonly<Record<string, TSchema>> = {
  ...variablesOf('', 'traces and metrics'),
  ...variablesOf('TRACES_', 'traces'),
  ...variablesOf('METRICS_', 'metrics'),
}

function variablesOf(signal: '' | 'TRACES_' | 'METRICS_', what: string): Record<string, TSchema> {
  const prefix = `OTEL_EXPORTER_OTLP_${signal}`
  const example = signal === '' ? 'http://127.0.0.1:4318' : `http://127.0.0.1:4318/v1/${what}`
  const alone =
    signal === ''
      ? '; without any endpoint none are sent'
      : ', used as it is; the general one gets the path appended'
  return {
    [`${prefix}ENDPOINT`]: url(`OpenTelemetry collector that takes ${what}${alone}`, example),
    [`${prefix}PROTOCOL`]: choice(`How ${what} are sent; default: http/protobuf`, PROTOCOLS),
    [`${prefix}HEADERS`]: optional(
      `Headers for ${what}, such as an API key: name=value, comma-separated, percent-encoded`,
      { secret: true },
    ),
    [`${prefix}COMPRESSION`]: choice(`How ${what} are compressed; default: none`, ['gzip', 'none']),
    [`${prefix}TIMEOUT`]: Type.Optional(
      Type.Integer({
        description: `How long one request with ${what} may take, including retries, in ms; default: 10000`,
        minimum: 1,
        maximum: 3_600_000,
      }),
    ),
    [`${prefix}CERTIFICATE`]: optional(
      `PEM file with the certificate that verifies the collector of ${what}`,
    ),
    [`${prefix}CLIENT_CERTIFICATE`]: optional(`PEM file with our own certificate for ${what}`),
    [`${prefix}CLIENT_KEY`]: optional(`PEM file with the key of that certificate`),
    [`${prefix}INSECURE`]: Type.Optional(
      Type.String({
        description: `true: grpc without TLS for ${what}, where the endpoint names no scheme`,
        pattern: BOOLEAN,
      }),
    ),
  }
}

/** Variables of the specification that have no effect here, and what to use instead. */
const INAPPLICABLE: Readonly<Record<string, string>> = {
  OTEL_CONFIG_FILE: 'telemetry is set up by variables alone',
  OTEL_EXPERIMENTAL_CONFIG_FILE: 'telemetry is set up by variables alone',
  OTEL_EXPORTER_PROMETHEUS_HOST: '/metrics is on the ADMIN_PORT of HOST',
  OTEL_EXPORTER_PROMETHEUS_PORT: '/metrics is on the ADMIN_PORT',
  OTEL_EXPORTER_ZIPKIN_ENDPOINT: 'traces are sent by OTLP alone',
}

/** A line for each variable that would have no effect. @param env all variables that are set */
export function inapplicable(env: Readonly<Record<string, string | undefined>>): string[] {
  const lines = Object.entries(INAPPLICABLE)
    .filter(([name]) => env[name])
    .map(([name, why]) => `${name} has no effect: ${why}`)
  const { OTEL_LOGS_EXPORTER: logs, OTEL_PROPAGATORS: propagators } = env
  if (logs && logs !== 'none')
    lines.push('OTEL_LOGS_EXPORTER must be none: the log is written to standard output')
  if (propagators && !propagators.split(',').some((one) => one.trim() === 'tracecontext')) {
    lines.push('OTEL_PROPAGATORS must have tracecontext: requests carry no other trace')
  }
  const histograms = env.OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
  if (histograms && histograms !== 'explicit_bucket_histogram') {
    lines.push(
      'OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION must be explicit_bucket_histogram: alerts read these buckets',
    )
  }
  return lines
}
