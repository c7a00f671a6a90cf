import { setTimeout as sleep } from 'node:timers/promises'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { describe, expect, it } from 'vitest'
import { MAX_LINKS, NO_TRACING } from '../../src/telemetry/tracing.js'
import { recordTracing } from '../support/spans.js'

const REMOTE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const millis = ([seconds, nanos]: ReadableSpan['startTime']) => seconds * 1_000 + nanos / 1_000_000

/** The only span that work leaves. */
function only(work: (tracing: ReturnType<typeof recordTracing>['tracing']) => void): ReadableSpan {
  const { tracing, spans } = recordTracing()
  work(tracing)
  const [span, ...others] = spans.getFinishedSpans()
  expect(others).toEqual([])
  if (!span) throw new Error('there is no span')
  return span
}

describe('sampling', () => {
  it('takes the share that is asked for: none, all, and what lies between', () => {
    const taken = (ratio: number) => {
      const { tracing } = recordTracing(ratio)
      return Array.from({ length: 20_000 }, () => tracing.sample()).filter(Boolean).length / 20_000
    }
    expect([taken(0), taken(1)]).toEqual([0, 1])
    // Ten standard deviations.
    expect(Math.abs(taken(0.1) - 0.1)).toBeLessThan(0.022)
  })
})

describe('where tracing is off', () => {
  it('samples nothing, and its spans do nothing and have no context', () => {
    expect([NO_TRACING.on, NO_TRACING.sample()]).toEqual([false, false])
    const span = NO_TRACING.startSpan('x', 'server', { parent: REMOTE })
    span.set({ a: 1 })
    span.fail(new Error('x'))
    expect(span.traceparent).toBe('')
    expect(NO_TRACING.startSpan('y', 'internal')).toBe(span)
  })
})

describe('a span', () => {
  it('begins a trace without a parent, or with one that is not valid', () => {
    for (const parent of [undefined, '', 'no', REMOTE.replace('00-', 'ff-')]) {
      const span = only((tracing) => tracing.startSpan('root', 'server', { parent }).end())
      expect(span.parentSpanContext).toBeUndefined()
    }
  })

  it('is a part of its parent, whether that is a span or a traceparent', () => {
    const { tracing, spans } = recordTracing()
    const parent = tracing.startSpan('parent', 'server', { parent: REMOTE })
    tracing.startSpan('near', 'producer', { parent }).end()
    tracing.startSpan('far', 'consumer', { parent: parent.traceparent }).end()
    parent.end()
    const [near, far, above] = spans.getFinishedSpans()
    expect(parent.traceparent).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/)
    expect(above?.parentSpanContext?.spanId).toBe('00f067aa0ba902b7')
    for (const child of [near, far]) {
      expect(child?.parentSpanContext?.spanId).toBe(above?.spanContext().spanId)
      expect(child?.spanContext().traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736')
    }
    expect([near?.kind, far?.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER])
    expect([near?.parentSpanContext?.isRemote, far?.parentSpanContext?.isRemote]).toEqual([undefined, true])
  })

  it('links to what is valid, the first 128 of a batch', () => {
    const links = Array.from({ length: 200 }, (_, at) => {
      const traceparent = REMOTE.replace('00f067aa', at.toString(16).padStart(8, '0'))
      return { traceparent, attributes: { at } }
    })
    const span = only((tracing) => {
      const some = tracing.startSpan('batch', 'consumer', { links: [{ traceparent: 'no link' }, ...links] })
      some.end()
    })
    expect(span.links).toHaveLength(MAX_LINKS - 1)
    expect(span.links[0]?.attributes).toEqual({ at: 0 })
  })

  it('says how it ended, and nothing after that', () => {
    const ended = only((tracing) => {
      const span = tracing.startSpan('xadd', 'producer', { attributes: { a: 1, none: undefined } })
      span.rename('xadd here')
      span.set({ b: 2 })
      span.end({ c: 3 })
      span.set({ d: 4 })
    })
    expect([ended.name, ended.attributes]).toEqual(['xadd here', { a: 1, b: 2, c: 3 }])
    expect(ended.status.code).toBe(SpanStatusCode.UNSET)
    const failed = only((tracing) =>
      tracing.startSpan('x', 'client').fail(new RangeError('too far'), { e: 5 }),
    )
    expect(failed.status).toEqual({ code: SpanStatusCode.ERROR, message: 'too far' })
    expect(failed.attributes).toEqual({ 'error.type': 'RangeError', e: 5 })
    const refused = only((tracing) => tracing.startSpan('x', 'client').fail('timeout'))
    expect(refused.status).toEqual({ code: SpanStatusCode.ERROR })
    expect(refused.attributes).toEqual({ 'error.type': 'timeout' })
  })

  it('has the time of the wall clock, finely, so that children lie within their parents', async () => {
    const { tracing, spans } = recordTracing()
    const before = Date.now()
    for (let i = 0; i < 50; i++) {
      const parent = tracing.startSpan('parent', 'server')
      const child = tracing.startSpan('child', 'producer', { parent })
      if (i % 10 === 0) await sleep(1)
      child.end()
      parent.end()
    }
    const all = spans.getFinishedSpans()
    for (let i = 0; i < all.length; i += 2) {
      const [child, parent] = [all[i], all[i + 1]]
      if (!child || !parent) throw new Error('a span is missing')
      expect(millis(child.startTime)).toBeGreaterThanOrEqual(millis(parent.startTime))
      expect(millis(child.endTime)).toBeLessThanOrEqual(millis(parent.endTime))
      expect(Math.abs(millis(child.startTime) - before)).toBeLessThan(5_000)
    }
    const old = only((some) =>
      some.startSpan('x', 'client', { startTime: before - 100 }).end({}, before - 40.5),
    )
    expect(millis(old.duration)).toBeCloseTo(59.5, 3)
  })
})
