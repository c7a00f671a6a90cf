import { type Link, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startOtlpReceiver } from '../support/otlp.js'

type Config = ConstructorParameters<typeof OTLPTraceExporter>[0]

const resource = resourceFromAttributes({ 'service.name': 'a test', 'service.instance.id': 'one' })
const LINK: Link = {
  context: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 },
  attributes: { why: 'redrive' },
}

async function receiver() {
  const started = await startOtlpReceiver()
  onTestFinished(() => started.close())
  return started
}

function tracerTo(url: string, compression: 'none' | 'gzip' = 'none') {
  const exporter = new OTLPTraceExporter({
    url: `${url}/v1/traces`,
    compression,
    timeoutMillis: 500,
  } as Config)
  const provider = new TracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  onTestFinished(() => provider.shutdown().catch(() => undefined))
  return { provider, tracer: provider.getTracer('the scope', '1.0') }
}

describe('the OTLP receiver of the tests, fed by the exporters that ship', () => {
  it.each(['none', 'gzip'] as const)('keeps all there is to know of a span (compression %s)', async (how) => {
    const { url, spans } = await receiver()
    const { provider, tracer } = tracerTo(url, how)
    const parent = tracer.startSpan('POST /webhooks/a', {
      kind: SpanKind.SERVER,
      startTime: [1_793_000_000, 5],
    })
    const child = tracer.startSpan(
      'xadd',
      {
        kind: SpanKind.PRODUCER,
        links: [LINK],
        attributes: {
          text: 'Grüße',
          count: -3,
          share: 0.25,
          big: 2 ** 40,
          yes: true,
          no: false,
          list: ['a', 'b'],
        },
      },
      trace.setSpan(ROOT_CONTEXT, parent),
    )
    child.addEvent('retry', { attempt: 2 })
    child.setStatus({ code: SpanStatusCode.ERROR, message: 'no room' })
    child.end()
    parent.end([1_793_000_001, 0])
    await provider.forceFlush()

    // Each is a request of its own, and requests overtake each other.
    expect(spans).toHaveLength(2)
    const root = spans.find(({ name }) => name === 'POST /webhooks/a')
    const sent = spans.find(({ name }) => name === 'xadd')
    expect(root).toMatchObject({
      kind: 'SERVER',
      parentId: '',
      start: 1_793_000_000_000_000_005n,
      end: 1_793_000_001_000_000_000n,
      status: { code: 'UNSET', message: '' },
      links: [],
    })
    expect(sent).toMatchObject({
      ...{ traceId: parent.spanContext().traceId, parentId: parent.spanContext().spanId },
      ...{ spanId: child.spanContext().spanId, kind: 'PRODUCER', scope: 'the scope' },
      attributes: {
        text: 'Grüße',
        count: -3,
        share: 0.25,
        big: 2 ** 40,
        yes: true,
        no: false,
        list: ['a', 'b'],
      },
      events: [{ name: 'retry', attributes: { attempt: 2 } }],
      links: [{ traceId: LINK.context.traceId, spanId: LINK.context.spanId, attributes: { why: 'redrive' } }],
      status: { code: 'ERROR', message: 'no room' },
      resource: { 'service.name': 'a test', 'service.instance.id': 'one' },
    })
  })

  it('knows the names of metrics', async () => {
    const { url, metricNames } = await receiver()
    const exporter = new OTLPMetricExporter({ url: `${url}/v1/metrics` })
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })
    const provider = new MeterProvider({ readers: [reader] })
    provider.getMeter('a').createCounter('one.count').add(1)
    provider.getMeter('b').createHistogram('two.seconds').record(1)
    await provider.shutdown()
    expect([...metricNames].sort()).toEqual(['one.count', 'two.seconds'])
  })

  it.each([
    [{ status: 500 }, 0],
    [{ status: 429 }, 0],
    ['hang', 0],
    ['close', 0],
    [{ delayMs: 50 }, 1],
  ] as const)('behaves as configured: %j', async (manners, kept) => {
    const otlp = await receiver()
    const { provider, tracer } = tracerTo(otlp.url)
    otlp.behave(manners)
    tracer.startSpan('first').end()
    await provider.forceFlush().catch(() => undefined)
    expect(otlp.requests).toBeGreaterThan(0)
    expect(otlp.spans).toHaveLength(kept)
    otlp.behave('well')
    tracer.startSpan('second').end()
    await provider.forceFlush()
    expect(otlp.spans.map(({ name }) => name)).toContain('second')
  })

  it('takes no other paths and no JSON', async () => {
    const { url } = await receiver()
    const post = (path: string, type: string) =>
      fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': type }, body: '{}' })
    expect((await post('/v1/traces', 'application/json')).status).toBe(415)
    expect((await post('/v1/logs', 'application/x-protobuf')).status).toBe(404)
  })
})
