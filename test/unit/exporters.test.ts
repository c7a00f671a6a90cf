import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ConfigError, type Environment, readConfig } from '../../src/config.js'
import { startTelemetry } from '../../src/telemetry/sdk.js'
import { recordedLog } from '../support/log.js'
import { decodeTraces } from '../support/otlp-messages.js'

/** A request as a collector gets it. */
interface Got {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A collector that answers every request with 200 and some bytes. */
async function collector(type: string, answer: string | Buffer) {
  const got: Got[] = []
  const server = createServer(async (request, response) => {
    got.push({ url: request.url ?? '', headers: request.headers, body: await buffer(request) })
    response.writeHead(200, { 'content-type': type }).end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { got, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** Ends two spans, and sends what there is. @returns the lines of the log, and how much was lost */
async function tell(env: Environment) {
  // The exporters read what is not in the endpoint from the process's environment, as everywhere.
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const { log, lines } = recordedLog()
  const telemetry = startTelemetry(readConfig({ TRACE_SAMPLE_RATIO: '1', ...env }), ['edge'], log)
  for (const name of ['a', 'b']) telemetry.tracing.startSpan(name, 'server').end()
  const text = await telemetry.metrics.text()
  await telemetry.close()
  return { lines, text }
}

const wrong = (env: Environment) => {
  try {
    readConfig(env)
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message
        .split('\n')
        .slice(1, -1)
        .map((line) => line.trim())
  }
  throw new Error('nothing is wrong')
}

/** `partial_success` of ExportTraceServiceResponse: one span is rejected, or none, with a message. */
const partial = (rejected: number, message: string) => {
  const inner = [...(rejected > 0 ? [0x08, rejected] : []), 0x12, message.length, ...Buffer.from(message)]
  return Buffer.from([0x0a, inner.length, ...inner])
}
const traces = (endpoint: string) => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint })

test('what a collector rejects counts as lost, and its message is logged', async () => {
  const { endpoint } = await collector('application/x-protobuf', partial(1, 'too long'))
  const { lines } = await tell(traces(endpoint))
  expect(lines).toEqual([`warn Telemetry is lost: 1 spans to ${new URL(endpoint).host}: rejected: too long`])
})

test('a warning of a collector that has accepted everything is logged', async () => {
  const { endpoint } = await collector('application/x-protobuf', partial(0, 'slow down'))
  expect((await tell(traces(endpoint))).lines).toEqual([
    `warn The collector ${new URL(endpoint).host} says: slow down`,
  ])
})

test.each(['http/protobuf', 'http/json'])('by %s a page with 200 is no collector', async (protocol) => {
  const { endpoint } = await collector('text/html', '<html><body>Welcome</body></html>')
  const { lines } = await tell({ ...traces(endpoint), OTEL_EXPORTER_OTLP_PROTOCOL: protocol })
  expect(lines).toEqual([
    expect.stringMatching(/^warn Telemetry is lost: 2 spans to .* a body that is not OTLP/),
  ])
})

test('by http/json, with the headers, the compression and the path of the variables', async () => {
  const { endpoint, got } = await collector('application/json', '{"partialSuccess":{"rejectedSpans":"2"}}')
  const { lines } = await tell({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/otlp/?tenant=a`,
    OTEL_METRICS_EXPORTER: 'prometheus',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%2Cb,Authorization=Basic dGVzdA==',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  })
  expect(lines).toEqual([expect.stringMatching(/Telemetry is lost: 2 spans to .*: rejected/)])
  expect(got.map(({ url }) => url)).toEqual(['/otlp/v1/traces?tenant=a'])
  expect(got[0]?.headers).toMatchObject({
    'api-key': 'a,b',
    authorization: 'Basic dGVzdA==',
    'content-type': 'application/json',
    'content-encoding': 'gzip',
  })
})

test('by grpc', async () => {
  const got: { path: string; names: string[]; key: unknown }[] = []
  const server = createHttp2()
  server.on('stream', async (stream: ServerHttp2Stream, headers) => {
    const body = await buffer(stream)
    const names = decodeTraces(body.subarray(5)).map(({ name }) => name)
    got.push({ path: String(headers[':path']), names, key: headers['api-key'] })
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(Buffer.alloc(5))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { lines } = await tell({
    ...traces(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=k',
  })
  expect(lines).toEqual([])
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
  expect(got).toEqual([{ path, names: ['a', 'b'], key: 'k' }])
})

test('the attributes of the variables name the process', async () => {
  const { endpoint, got } = await collector('application/x-protobuf', '')
  await tell({
    ...traces(endpoint),
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=a%20b,,team=c',
    OTEL_SERVICE_NAME: 'mine',
  })
  const [span] = got.flatMap(({ body }) => decodeTraces(body))
  expect(span?.resource).toMatchObject({
    'deployment.environment.name': 'a b',
    team: 'c',
    'service.name': 'mine',
    'host.name': expect.any(String),
  })
})

test('without traces, or without telemetry at all', async () => {
  const { endpoint, got } = await collector('application/x-protobuf', '')
  const off = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRICS_EXPORTER: 'none' }
  const { text } = await tell({ ...off, OTEL_TRACES_EXPORTER: 'none' })
  expect(text).toContain('process_memory_usage_bytes')
  expect((await tell({ ...off, OTEL_SDK_DISABLED: 'TRUE' })).text).toBe('# OTEL_SDK_DISABLED\n')
  expect(got).toEqual([])
})

test('what cannot be used ends the start, with a line that shows no secret', () => {
  const headers = 'has a name that no header may have'
  const pair = 'is not name=value, with any other comma, = and % percent-encoded'
  const semicolon = 'has a semicolon: write %3B, or what follows it is lost'
  const cases: [Environment, string][] = [
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'must be a URL, such as http://localhost:4318'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://' }, 'must be a URL, such as http://localhost:4318'],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '4318' }, 'must be a URL, such as http://localhost:4318'],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'swordfish' }, `cannot be read: its part 1 ${pair}`],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=b,c=%swordfish' }, `cannot be read: its part 2 ${pair}`],
    [{ OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a=swordfish;c' }, semicolon],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'a b=swordfish' }, headers],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'team=a,region' }, `cannot be read: its part 2 ${pair}`],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'must be otlp, none, not "zipkin"'],
    [{ OTEL_METRICS_EXPORTER: 'otlp,none' }, 'must be otlp, prometheus, none, not "otlp,none"'],
    [{ OTEL_TRACES_SAMPLER_ARG: '0.5' }, 'has no effect unless OTEL_TRACES_SAMPLER is traceidratio'],
    [{ OTEL_LOGS_EXPORTER: 'otlp' }, 'must be none: the log is written to standard output'],
    [{ OTEL_PROPAGATORS: 'b3' }, 'must have tracecontext: requests carry no other trace'],
    [{ OTEL_EXPORTER_PROMETHEUS_PORT: '9464' }, 'has no effect: /metrics is on the ADMIN_PORT'],
  ]
  for (const [env, line] of cases) expect(wrong(env)).toEqual([`${Object.keys(env)[0]} ${line}`])
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
  expect(wrong({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317/v1', ...grpc })).toEqual([
    'OTEL_EXPORTER_OTLP_ENDPOINT has a path, but grpc does not support one',
  ])
  expect(() => readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', ...grpc })).not.toThrow()
  expect(wrong({ OTEL_EXPORTER_OTLP_PROTOCOL: 'thrift' })[0]).toMatch(
    /must be one of http.protobuf, http.json, grpc/,
  )
  expect(wrong({ OTEL_TRACES_SAMPLER: 'jaeger_remote' })[0]).toMatch(
    /OTEL_TRACES_SAMPLER must be one of always_on/,
  )
  const files = readConfig({ OTEL_EXPORTER_OTLP_CERTIFICATE: '/no/such.pem' })
  expect(() => startTelemetry(files, [], recordedLog().log)).toThrow(
    /OTEL_EXPORTER_OTLP_CERTIFICATE names a file/,
  )
})

test('the sampler of the variables decides at the edge', async () => {
  const shares: [Environment, number][] = [
    [{ OTEL_TRACES_SAMPLER: 'always_on' }, 1],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off', TRACE_SAMPLE_RATIO: '1' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 1],
    [{ TRACE_SAMPLE_RATIO: '0' }, 0],
  ]
  for (const [env, share] of shares) {
    const config = readConfig({ ...env, OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'none' })
    const telemetry = startTelemetry(config, [], recordedLog().log)
    expect(Array.from({ length: 100 }, () => telemetry.tracing.sample())).toEqual(
      Array(100).fill(share === 1),
    )
    await telemetry.close()
  }
})
