import type { Attributes } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeSpans } from '../../src/telemetry/encode-spans.js'
import { createTracing, type Kind, type Span } from '../../src/telemetry/tracing.js'

const REMOTE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'grapheme', maxLength: 300 }))
const number = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.double({ noNaN: true }).filter(isEncodable))
const value = fc.oneof(text, number, fc.boolean(), fc.array(text, { maxLength: 3 }), fc.array(fc.boolean()))
const attributes = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 40 }),
  value,
) as fc.Arbitrary<Attributes>
const time = fc.double({ min: 0, max: 4e12, noNaN: true })
const span = fc.record({
  name: text,
  kind: fc.constantFrom<Kind>('internal', 'server', 'client', 'producer', 'consumer'),
  parent: fc.constantFrom('none', 'remote', 'before'),
  attributes: fc.option(attributes),
  links: fc.constantFrom('none', 'before', 'remote'),
  event: fc.option(attributes),
  failure: fc.option(text),
  startTime: time,
  endTime: time,
})

/** Larger whole numbers are written as integers by the one, and as doubles by the other; no span has any. */
function isEncodable(value: number): boolean {
  return !Number.isInteger(value) || Number.isSafeInteger(value)
}

it('writes what the serializer of OpenTelemetry writes, byte for byte', () => {
  fc.assert(
    fc.property(
      fc.array(span, { minLength: 1, maxLength: 30 }),
      attributes,
      text,
      (plans, ofResource, version) => {
        const spans: ReadableSpan[] = []
        const resource = resourceFromAttributes(ofResource)
        const origin = { resource, instrumentationScope: { name: 'test', version } }
        const tracing = createTracing({ ...origin, onEnd: (one) => void spans.push(one) }, 1)
        const shared = { shared: 'by many' }
        let before: Span | undefined
        for (const { name, kind, parent, links, event, failure, startTime, endTime, ...plan } of plans) {
          const linked = { traceparent: REMOTE, tracestate: 'a=b', attributes: shared }
          const one = tracing.startSpan(name, kind, {
            parent: { none: undefined, remote: REMOTE, before }[parent],
            links: { none: [], before: before ? [before] : [], remote: [linked, REMOTE] }[links],
            attributes: plan.attributes ?? shared,
            startTime,
          })
          if (event) one.event('retry', event, startTime)
          if (failure === null) one.end(undefined, endTime)
          else one.fail(new Error(failure), undefined, endTime)
          before = one
        }
        const expected = ProtobufTraceSerializer.serializeRequest(spans)
        expect(Buffer.from(encodeSpans(spans)).toString('hex')).toBe(
          Buffer.from(expected ?? []).toString('hex'),
        )
      },
    ),
  )
})
