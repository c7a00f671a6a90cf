import { once } from 'node:events'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { readConfig } from '../../src/config.js'
import { startTelemetry } from '../../src/telemetry/sdk.js'
import { openEdge, post, RawConnection, rawPost, send, type TestEdge } from '../support/edge.js'
import { recordedLog } from '../support/log.js'
import { startOtlpReceiver } from '../support/otlp.js'
import { type RecordedTracing, recordTracing } from '../support/spans.js'
import { until } from '../support/stream.js'

const EVENT = '{"id":"e-1","type":"contact.created","name":"Zoë"}'
const SENDER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const { redisUrl } = inject('services')

const traceparentOf = (span: ReadableSpan) =>
  `00-${span.spanContext().traceId}-${span.spanContext().spanId}-01`
const millis = ([seconds, nanos]: ReadableSpan['startTime']) => seconds * 1_000 + nanos / 1_000_000

describe('an edge that traces every request', () => {
  let test: TestEdge
  let recorded: RecordedTracing
  beforeAll(async () => {
    recorded = recordTracing()
    test = await openEdge(redisUrl, { tracing: recorded.tracing, maxBodyBytes: 10_000 })
  })
  afterAll(() => test.end())

  /** What the work leaves: the span of its request, and that of its append. */
  const spansOf = async (work: () => Promise<unknown>) => {
    recorded.spans.reset()
    await work()
    const spans = recorded.spans.getFinishedSpans()
    const server = spans.find(({ kind }) => kind === SpanKind.SERVER)
    const append = spans.find(({ kind }) => kind === SpanKind.PRODUCER)
    if (!server) throw new Error('there is no span of the request')
    expect(spans).toHaveLength(append ? 2 : 1)
    return { server, append }
  }

  it('leaves a span of the request, and below it one of the append that goes with the entry', async () => {
    const answers: (string | string[] | undefined)[] = []
    const { server, append } = await spansOf(async () => {
      const answer = await post(test.edge, dataAction, EVENT, { headers: { 'webhook-id': 'd-1' } })
      answers.push(answer.headers['tributary-entry'])
    })
    if (!append) throw new Error('there is no span of the append')
    const [entry] = (await test.entries()).filter(({ delivery }) => delivery === 'd-1')
    const { events: stream } = test.keys[0] ?? { events: '' }
    expect(server).toMatchObject({ name: `POST ${dataAction.path}`, links: [], status: { code: 0 } })
    expect(server.parentSpanContext).toBeUndefined()
    expect(server.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': dataAction.path,
      'http.request.body.size': Buffer.byteLength(EVENT),
      'http.response.status_code': 202,
      'url.path': dataAction.path,
      'url.scheme': 'http',
      'cxone.source': 'data-action',
      'cxone.delivery.id': 'd-1',
    })
    expect(append.name).toBe(`xadd ${stream}`)
    expect(append.parentSpanContext?.spanId).toBe(server.spanContext().spanId)
    expect(append.attributes).toEqual({
      'messaging.system': 'redis',
      'messaging.operation.name': 'xadd',
      'messaging.operation.type': 'send',
      'messaging.destination.name': stream,
      'messaging.message.id': answers[0],
      'messaging.message.body.size': Buffer.byteLength(EVENT),
    })
    expect(entry?.trace).toBe(traceparentOf(append))
    expect(millis(append.startTime)).toBeGreaterThanOrEqual(millis(server.startTime))
    expect(millis(append.endTime)).toBeLessThanOrEqual(millis(server.endTime))
  })

  it("links the sender's span, and is no part of its trace", async () => {
    const headers = { traceparent: SENDER, tracestate: 'vendor=x' }
    const { server } = await spansOf(() => post(test.edge, dataAction, EVENT, { headers }))
    expect(server.parentSpanContext).toBeUndefined()
    const [link] = server.links
    expect(server.spanContext().traceId).not.toBe(link?.context.traceId)
    expect([link?.context.spanId, link?.context.traceState?.serialize()]).toEqual([
      '00f067aa0ba902b7',
      'vendor=x',
    ])
    for (const traceparent of ['x', SENDER.replace('00-', 'ff-'), `${SENDER}-more`, '0'.repeat(3_000)]) {
      const other = await spansOf(() => post(test.edge, dataAction, EVENT, { headers: { traceparent } }))
      expect(other.server.links).toEqual([])
    }
  })

  it('leaves a span of a request that is dead-lettered, whose letter leads back to it', async () => {
    const headers = { 'webhook-id': 'bad-1' }
    const { server, append } = await spansOf(() => post(test.edge, dataAction, 'no json', { headers }))
    expect(server.status.code).toBe(SpanStatusCode.UNSET)
    expect(server.attributes).toMatchObject({
      'http.response.status_code': 400,
      'cxone.webhook.rejected.reason': 'malformed_json',
    })
    expect(append?.name).toBe(`xadd ${test.keys[0]?.dead}`)
    const letters = await test.letters()
    const letter = letters.find((fields) => String(fields.get('delivery')) === 'bad-1')
    expect(letter?.get('trace')?.toString()).toBe(append && traceparentOf(append))
  })

  it('leaves a span of what is refused before that', async () => {
    const route = dataAction.path
    const cases = [
      [() => send(test.edge.port, route, EVENT), `POST ${route}`, 401, 'missing_signature'],
      [() => post(test.edge, dataAction, 'x'.repeat(10_001)), `POST ${route}`, 413, 'body_too_large'],
      [() => send(test.edge.port, route, '', { method: 'PUT' }), `PUT ${route}`, 405, 'method_not_allowed'],
      [() => send(test.edge.port, '/a', '', { method: 'DELETE' }), 'DELETE', 404, 'not_found'],
    ] as const
    for (const [work, name, status, reason] of cases) {
      const { server, append } = await spansOf(work)
      expect([server.name, append]).toEqual([name, undefined])
      expect(server.status.code).toBe(SpanStatusCode.UNSET)
      expect(server.attributes).toMatchObject({
        'http.response.status_code': status,
        'cxone.webhook.rejected.reason': reason,
      })
    }
  })

  it('ends the span of a sender that goes away', async () => {
    const { server } = await spansOf(async () => {
      const connection = new RawConnection(test.edge.port)
      await once(connection.socket, 'connect')
      connection.socket.write(rawPost(dataAction, EVENT, 'Content-Length: 500\r\n'))
      await until(() => test.edge.stats().inFlight === 1)
      connection.socket.destroy()
      await until(() => recorded.spans.getFinishedSpans().length > 0)
    })
    expect(server.status.code).toBe(SpanStatusCode.ERROR)
    expect(server.attributes['error.type']).toBe('aborted')
    expect(server.attributes['http.response.status_code']).toBeUndefined()
  })

  it('fails both spans where Redis does not take it', async () => {
    const own = recordTracing()
    const away = await openEdge(redisUrl, {
      tracing: own.tracing,
      producer: {
        append: () => Promise.reject(new Error('OOM')),
        deadLetter: () => Promise.reject(new Error('OOM')),
      },
    })
    expect((await post(away.edge, dataAction, EVENT)).status).toBe(503)
    await away.end()
    const [append, server] = own.spans.getFinishedSpans()
    expect([append?.name, append?.attributes['error.type']]).toEqual(['xadd', 'unavailable'])
    expect([append?.status.code, server?.status.code]).toEqual([SpanStatusCode.ERROR, SpanStatusCode.ERROR])
    expect(server?.attributes).toMatchObject({
      'http.response.status_code': 503,
      'error.type': 'unavailable',
    })
  })
})

describe('an edge that traces some requests', () => {
  it('marks the entries of those alone', async () => {
    const recorded = recordTracing(0.5)
    const test = await openEdge(redisUrl, { tracing: recorded.tracing })
    await Promise.all(Array.from({ length: 60 }, () => post(test.edge, dataAction, EVENT)))
    const traced = (await test.entries()).map(({ trace }) => trace).filter((trace) => trace !== '')
    await test.end()
    const appends = recorded.spans.getFinishedSpans().filter(({ kind }) => kind === SpanKind.PRODUCER)
    expect(traced.toSorted()).toEqual(appends.map(traceparentOf).toSorted())
    expect(traced.length).toBeGreaterThan(0)
    expect(traced.length).toBeLessThan(60)
  })
})

describe('telemetry', () => {
  it('tells in one line that the collector does not take it, spans and metrics alike', async () => {
    const receiver = await startOtlpReceiver()
    receiver.behave({ status: 400 })
    const { log, lines } = recordedLog()
    const config = readConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_METRIC_EXPORT_INTERVAL: '100',
      TRACE_SAMPLE_RATIO: '1',
    })
    const telemetry = startTelemetry(config, ['edge'], log)
    await until(() => receiver.requests > 3)
    expect(lines).toEqual([
      expect.stringMatching(/^warn Telemetry is lost: 1 pushes of metrics to 127.+: .+/),
    ])
    telemetry.tracing.startSpan('x', 'server').end()
    await telemetry.close()
    await receiver.close()
    expect(lines).toHaveLength(2)
  })

  it('brings all spans to the collector, at the latest when the process ends', async () => {
    const receiver = await startOtlpReceiver()
    const { log, lines } = recordedLog()
    const config = readConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
      TRACE_SAMPLE_RATIO: '1',
    })
    const telemetry = startTelemetry(config, ['edge', 'mongo'], log)
    const test = await openEdge(redisUrl, { tracing: telemetry.tracing })
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 50 }, () => post(test.edge, dataAction, EVENT)))
    }
    const entries = await test.entries()
    await test.end()
    await telemetry.close()
    const { spans } = receiver
    await receiver.close()
    const servers = new Map(spans.filter(({ kind }) => kind === 'SERVER').map((span) => [span.spanId, span]))
    const appends = new Map(
      spans
        .filter(({ kind }) => kind === 'PRODUCER')
        .map((span) => [`00-${span.traceId}-${span.spanId}-01`, span]),
    )
    expect([servers.size, appends.size, spans.length]).toEqual([1_000, 1_000, 2_000])
    for (const { trace } of entries) {
      const append = appends.get(trace)
      expect(servers.get(append?.parentId ?? '')?.traceId).toBe(append?.traceId)
    }
    expect(spans[0]?.resource).toMatchObject({
      'service.name': 'tributary-edge-mongo',
      'service.version': expect.stringMatching(/^\d/),
      'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'host.name': expect.any(String),
    })
    expect(lines).toEqual([])
  })
})
