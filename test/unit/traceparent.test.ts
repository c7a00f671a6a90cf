import { isSpanContextValid } from '@opentelemetry/api'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTraceparent } from '../../src/telemetry/tracing.js'
import { recordTracing } from '../support/spans.js'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map((digits) => digits.join(''))
    .filter((digits) => /[^0]/.test(digits))

describe('parseTraceparent', () => {
  it('reads what a span names itself, and what any other one may', () => {
    const span = recordTracing().tracing.startSpan('x', 'server')
    expect(parseTraceparent(span.traceparent)).toEqual({
      traceId: span.context?.traceId,
      spanId: span.context?.spanId,
      traceFlags: 1,
      isRemote: true,
    })
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
        const context = parseTraceparent(`00-${traceId}-${spanId}-0${sampled ? 1 : 0}`)
        expect(context).toEqual({ traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true })
      }),
    )
  })

  it('reads later versions as the specification says, and keeps their flags', () => {
    const known = { traceId: TRACE, spanId: SPAN, isRemote: true }
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)).toEqual({ ...known, traceFlags: 0xff })
    expect(parseTraceparent(`01-${TRACE}-${SPAN}-02`)).toEqual({ ...known, traceFlags: 2 })
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-comes`)).toEqual({ ...known, traceFlags: 1 })
  })

  it.each([
    '',
    '00',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01 x`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `01-${TRACE}-${SPAN}-01more`,
    `00-${TRACE}-${SPAN}-01\n00-${TRACE}-${SPAN}-01`,
  ])('takes %j for no traceparent', (text) => {
    expect(parseTraceparent(text)).toBeUndefined()
  })

  it('throws at nothing that somebody may send, and gives nothing but what is valid', () => {
    const parts = fc.constantFrom('00', '01', 'ff', '-', TRACE, SPAN, '=', ',', '\u0000', 'ü', '%0d%0a')
    const crafted = fc.array(parts, { maxLength: 12 }).map((some) => some.join(''))
    const hostile = fc.oneof(fc.string({ unit: 'binary', maxLength: 700 }), crafted)
    fc.assert(
      fc.property(hostile, hostile, (traceparent, tracestate) => {
        const context = parseTraceparent(traceparent, tracestate)
        if (context) expect(isSpanContextValid(context)).toBe(true)
        const linked = parseTraceparent(`00-${TRACE}-${SPAN}-01`, tracestate)
        expect(linked?.traceId).toBe(TRACE)
        const kept = linked?.traceState?.serialize() ?? ''
        expect(kept).toMatch(/^[\x20-\x7e]{0,512}$/)
      }),
    )
  })

  it('keeps the tracestate that came with it, unless it is longer than anybody has to keep', () => {
    const read = (tracestate: string) => parseTraceparent(`00-${TRACE}-${SPAN}-01`, tracestate)?.traceState
    expect(read('vendor=a,other=b')?.serialize()).toBe('vendor=a,other=b')
    expect(read(`a=${'x'.repeat(600)}`)?.serialize()).toBe('')
  })
})
