import fc from 'fast-check'
import { Type } from 'typebox'
import { describe, expect, it } from 'vitest'
import { Timestamp } from '../../../schemas/common.js'
import { compile, explain, FROM_TEXT } from '../../../schemas/shape.js'
import { parseTimestamp } from '../../../src/state/timestamp.js'

describe('a timestamp', () => {
  const { matches } = compile(Timestamp)

  it('has the format exactly if it can be read', () => {
    const two = (n: number) => String(n).padStart(2, '0')
    const field = (most: number) => fc.nat(most).map(two)
    const written = fc
      .tuple(
        fc.constantFrom('2024', '2025', '1900', '0000', '9999', '1969'),
        fc.tuple(field(13), field(32)),
        fc.constantFrom('T', 't', ' ', '_', ''),
        fc.tuple(field(24), field(60), field(61)),
        fc.constantFrom('', '.', '.1', '.123456', '.1234567890', ',5'),
        fc.oneof(
          fc.constantFrom('Z', 'z', '', '+01', '+0100', 'Z[Europe/Berlin]', '-00:00', 'Z\n'),
          fc.tuple(fc.constantFrom('+', '-'), field(24), field(60)).map(([sign, h, m]) => `${sign}${h}:${m}`),
        ),
      )
      .map(
        ([year, [month, day], t, time, fraction, zone]) =>
          `${year}-${month}-${day}${t}${time.join(':')}${fraction}${zone}`,
      )
    const text = fc.oneof(
      { weight: 5, arbitrary: written },
      { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    )
    let taken = 0
    fc.assert(
      fc.property(text, (timestamp) => {
        const isRead = parseTimestamp(timestamp) !== undefined
        if (isRead) taken++
        expect(matches(timestamp)).toBe(isRead)
      }),
      { numRuns: 3_000 },
    )
    expect(taken).toBeGreaterThan(50)
  })

  it.each([
    '2016-12-31T23:59:60Z',
    '2026-01-01t00:00:00z',
    '2026-01-01 00:00:00+05:30',
    '2024-02-29T00:00:00.1234567Z',
  ])('may be %s', (timestamp) => {
    expect(matches(timestamp)).toBe(true)
  })
})

describe('a shape', () => {
  const shape = compile(
    Type.Object({
      a: Type.Object({ 'x/~y': Type.Integer(FROM_TEXT) }),
      b: Type.Optional(Type.Number(FROM_TEXT)),
      c: Type.Optional(Type.Number()),
    }),
  )

  it('coerces a copy, and only where its schema says so', () => {
    const value = { a: { 'x/~y': '7', other: '7' }, b: '1.5', c: '2' }
    expect(shape.coerce(value)).toEqual({ a: { 'x/~y': 7, other: '7' }, b: 1.5, c: '2' })
    expect(value.a['x/~y']).toBe('7')
  })

  it.each([null, 7, 'text', [], {}, { a: null }, { a: '7' }, { a: ['x/~y'] }, { a: { 'x/~y': 'no' } }])(
    'leaves %j as it is',
    (value) => {
      expect(shape.coerce(value)).toBe(value)
    },
  )

  it('keeps a __proto__ that came with the value', () => {
    const value: unknown = JSON.parse('{"__proto__":{"b":1},"a":{"x/~y":"7"}}')
    expect(JSON.stringify(shape.coerce(value))).toBe('{"__proto__":{"b":1},"a":{"x/~y":7}}')
  })

  it('says where each error is', () => {
    expect(shape.errors({ a: { 'x/~y': 'no' }, b: 'no' })).toEqual([
      { loc: ['a', 'x/~y'], msg: 'must be integer', type: 'type' },
      { loc: ['b'], msg: 'must be number', type: 'type' },
    ])
    expect(explain(shape.errors({}))).toBe('/a is required')
    expect(explain(shape.errors(7))).toBe('/ must be object')
  })

  it('tells more than a handful of errors', () => {
    const names = Array.from({ length: 50 }, (_, i) => `field${i}`)
    const wide = compile(Type.Object(Object.fromEntries(names.map((name) => [name, Type.String()]))))
    expect(wide.errors({}).map(({ loc }) => loc)).toEqual(names.map((name) => [name]))
    expect(wide.errors(Object.fromEntries(names.map((name) => [name, 1])))).toHaveLength(50)
  })
})
