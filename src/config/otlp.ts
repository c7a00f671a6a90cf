/** Variables and their values. */
type Values = Readonly<Record<string, unknown>>

/** What is sent to a collector. */
export type Signal = 'TRACES' | 'METRICS'

/** Where a signal goes. */
export interface Target {
  readonly signal: Signal
  readonly protocol: 'http/protobuf' | 'http/json' | 'grpc'
  readonly url: string
  /** Name of the collector for a person, without the secrets that a URL may contain. */
  readonly host: string
}

/** Endpoint of a collector by default. */
const STANDARD = { grpc: 'http://localhost:4317', http: 'http://localhost:4318' }

/**
 * Where a signal goes; `undefined` where it is not sent. A signal's own endpoint is used as it is; the general one gets
 * the signal's path appended. Without an endpoint, a signal is sent only where its exporter is set to `otlp`, to a
 * collector on this machine.
 */
export function targetOf(config: Values, signal: Signal): Target | undefined {
  const exporters = listOf(config[`OTEL_${signal}_EXPORTER`])
  if (isTrue(config.OTEL_SDK_DISABLED) || (exporters && !exporters.includes('otlp'))) return undefined
  const specific = textOf(config[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`])
  const general = textOf(config.OTEL_EXPORTER_OTLP_ENDPOINT)
  const endpoint = specific ?? general
  if (endpoint === undefined && !exporters) return undefined
  const protocol = protocolOf(config, signal)
  if (protocol === 'grpc') {
    const url = endpoint ?? STANDARD.grpc
    return { signal, protocol, url, host: new URL(withScheme(url)).host }
  }
  const url = specific === undefined ? signalUrl(general ?? STANDARD.http, signal) : new URL(specific).href
  return { signal, protocol, url, host: new URL(url).host }
}

/** Share of the requests that the edge traces, 0 to 1. Every request is a root there, so no parent decides. */
export function sampleRatio(config: Values): number {
  const sampler = textOf(config.OTEL_TRACES_SAMPLER)?.replace('parentbased_', '')
  if (sampler === undefined) return Number(config.TRACE_SAMPLE_RATIO)
  if (sampler === 'traceidratio') return Number(config.OTEL_TRACES_SAMPLER_ARG ?? 1)
  return sampler === 'always_on' ? 1 : 0
}

/** Whether telemetry is off. */
export function isDisabled(config: Values): boolean {
  return isTrue(config.OTEL_SDK_DISABLED)
}

/**
 * Reads `name=value` pairs, comma-separated and percent-encoded.
 * @throws Error that gives the position of the wrong pair, not its text: it may be secret
 */
export function parsePairs(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair, at): [string, string] | undefined => {
    if (pair.trim() === '') return undefined
    const [name = '', value, ...more] = pair.split('=').map((part) => decode(part.trim()))
    if (!name || value === undefined || more.includes(undefined)) {
      throw new Error(`its part ${at + 1} is not name=value, with any other comma, = and % percent-encoded`)
    }
    return [name, [value, ...more].join('=')]
  })
  return Object.fromEntries(pairs.filter((pair) => pair !== undefined))
}

/** A line for each of the collector's variables that is wrong. */
export function wrongTargets(values: Values): string[] {
  const exporters = [
    ['TRACES', ['otlp', 'none']],
    ['METRICS', ['otlp', 'prometheus', 'none']],
  ] as const
  return [
    ...exporters.flatMap(([signal, known]) => wrongExporters(values, `OTEL_${signal}_EXPORTER`, known)),
    ...['', 'TRACES_', 'METRICS_'].flatMap((signal) => [
      ...wrongEndpoint(values, signal),
      ...wrongHeaders(values, `OTEL_EXPORTER_OTLP_${signal}HEADERS`),
    ]),
    ...wrongPairs(values, 'OTEL_RESOURCE_ATTRIBUTES'),
    ...wrongSampler(values),
  ]
}

function wrongExporters(values: Values, name: string, known: readonly string[]): string[] {
  const exporters = listOf(values[name]) ?? []
  const fits =
    exporters.every((value) => known.includes(value)) && !(exporters.includes('none') && exporters.length > 1)
  return fits ? [] : [`${name} must be ${known.join(', ')}, not "${exporters.join(',')}"`]
}

function wrongEndpoint(values: Values, signal: string): string[] {
  const name = `OTEL_EXPORTER_OTLP_${signal}ENDPOINT`
  const endpoint = textOf(values[name])
  if (endpoint === undefined) return []
  const signals: Signal[] =
    signal === '' ? ['TRACES', 'METRICS'] : [signal === 'TRACES_' ? 'TRACES' : 'METRICS']
  const grpc = signals.every((signal) => protocolOf(values, signal) === 'grpc')
  const url = grpc ? withScheme(endpoint) : endpoint
  if (/^https?:\/\/[^/]/.test(url) && URL.canParse(url)) {
    return grpc && new URL(url).pathname !== '/' ? [`${name} has a path, but grpc does not support one`] : []
  }
  return [`${name} must be a URL, such as ${grpc ? STANDARD.grpc : STANDARD.http}`]
}

function wrongHeaders(values: Values, name: string): string[] {
  const wrong = wrongPairs(values, name)
  const text = textOf(values[name])
  if (wrong.length > 0 || text === undefined) return wrong
  if (text.includes(';')) return [`${name} has a semicolon: write %3B, or what follows it is lost`]
  const names = Object.keys(parsePairs(text))
  return names.every((name) => /^[!#$%&'*+.^_`|~\w-]+$/.test(name))
    ? []
    : [`${name} has a name that no header may have`]
}

function wrongPairs(values: Values, name: string): string[] {
  try {
    parsePairs(textOf(values[name]) ?? '')
    return []
  } catch (error) {
    return [`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`]
  }
}

function wrongSampler(values: Values): string[] {
  const { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: share } = values
  if (share === undefined || String(sampler).endsWith('traceidratio')) return []
  return ['OTEL_TRACES_SAMPLER_ARG has no effect unless OTEL_TRACES_SAMPLER is traceidratio']
}

/** The path of the endpoint, then that of the signal; a query stays at the end. */
function signalUrl(endpoint: string, signal: Signal): string {
  const url = new URL(endpoint)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal.toLowerCase()}`
  return url.href
}

function protocolOf(values: Values, signal: Signal): Target['protocol'] {
  const { OTEL_EXPORTER_OTLP_PROTOCOL: general } = values
  const protocol = textOf(values[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`] ?? general)
  return protocol === 'grpc' || protocol === 'http/json' ? protocol : 'http/protobuf'
}

/** For gRPC an endpoint may be only host and port. */
function withScheme(endpoint: string): string {
  return /^\w+:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function listOf(value: unknown): string[] | undefined {
  return textOf(value)
    ?.split(',')
    .map((one) => one.trim())
}

function isTrue(value: unknown): boolean {
  return textOf(value)?.toLowerCase() === 'true'
}
