import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatTimestamp, parseTimestamp } from '../../../src/state/timestamp.js'

const two = (n: number) => String(n).padStart(2, '0')
const offset = fc.oneof(
  fc.constantFrom('Z', 'z', '+00:00', '-00:00'),
  fc
    .tuple(fc.constantFrom('+', '-'), fc.nat(15), fc.nat(59))
    .map(([sign, hours, minutes]) => `${sign}${two(hours)}:${two(minutes)}`),
)
const second = fc
  .date({ noInvalidDate: true, min: new Date('0000-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z') })
  .map((date) => date.toISOString().slice(0, 19))
const text = fc.tuple(second, fc.constantFrom('T', 't', ' '), offset)

describe('parseTimestamp', () => {
  it('agrees with Date.parse', () => {
    fc.assert(
      fc.property(text, fc.nat(999), ([local, , zone], ms) => {
        const written = `${local}.${String(ms).padStart(3, '0')}${zone}`
        expect(parseTimestamp(written)).toBe(Date.parse(written.toUpperCase()) * 1_000)
      }),
      { numRuns: 500 },
    )
  })

  it('keeps microseconds, cuts off what lies beyond, and takes T, t and a space', () => {
    fc.assert(
      fc.property(text, fc.nat(999_999), fc.nat(999), ([local, separator, zone], micros, beyond) => {
        const fraction = `${String(micros).padStart(6, '0')}${beyond}`
        const written = `${local.replace('T', separator)}.${fraction}${zone}`
        expect(parseTimestamp(written)).toBe(Date.parse(`${local}${zone.toUpperCase()}`) * 1_000 + micros)
      }),
    )
    expect(parseTimestamp('1970-01-01T00:00:00.1Z')).toBe(100_000)
    expect(parseTimestamp('1969-12-31T23:59:59.999999Z')).toBe(-1)
  })

  it('reads an offset without its colon, and one without minutes', () => {
    const sign = fc.constantFrom('+', '-')
    fc.assert(
      fc.property(text, sign, fc.nat(15), fc.nat(59), ([local, separator], sign, hours, minutes) => {
        const at = local.replace('T', separator)
        const whole = `${sign}${two(hours)}:`
        expect(parseTimestamp(`${at}${sign}${two(hours)}${two(minutes)}`)).toBe(
          parseTimestamp(`${at}${whole}${two(minutes)}`),
        )
        expect(parseTimestamp(`${at}${sign}${two(hours)}`)).toBe(parseTimestamp(`${at}${whole}00`))
      }),
    )
    expect(parseTimestamp('1970-01-01 01:00:00+0100')).toBe(0)
  })

  it('reads a leap second as the first moment of the next minute', () => {
    const next = Date.parse('2017-01-01T00:00:00Z') * 1_000
    expect(parseTimestamp('2016-12-31T23:59:60Z')).toBe(next)
    expect(parseTimestamp('2017-01-01T01:59:60+02:00')).toBe(next)
  })

  it.each([
    ['2026-02-30T00:00:00Z', '30 February'],
    ['2025-02-29T00:00:00Z', '29 February of a common year'],
    ['1900-02-29T00:00:00Z', '29 February of 1900'],
    ['2026-04-31T00:00:00Z', '31 April'],
    ['2026-00-10T00:00:00Z', 'month 0'],
    ['2026-13-10T00:00:00Z', 'month 13'],
    ['2026-01-00T00:00:00Z', 'day 0'],
    ['2026-01-01T24:00:00Z', 'hour 24'],
    ['2026-01-01T23:60:00Z', 'minute 60'],
    ['2026-01-01T23:59:61Z', 'second 61'],
    ['2026-01-01T00:00:00', 'no offset'],
    ['2026-01-01T00:00:00+1', 'an offset of one digit'],
    ['2026-01-01T00:00:00+010', 'an offset of three digits'],
    ['2026-01-01T00:00:00+01:0', 'a minute of one digit in the offset'],
    ['2026-01-01T00:00:00+01:', 'an offset that ends with its colon'],
    ['2026-01-01T00:00:00+01:00:00', 'an offset with seconds'],
    ['2026-01-01T00:00:00+01000', 'an offset of five digits'],
    ['2026-01-01T00:00:00 +01:00', 'a space before the offset'],
    ['2026-01-01T00:00:00+16:00', 'an offset of 16 hours'],
    ['2026-01-01T00:00:00+23:59', 'an offset that Postgres does not read'],
    ['2026-01-01T00:00:00+24:00', 'offset of 24 hours'],
    ['2026-01-01T00:00:00+00:60', 'offset of 60 minutes'],
    ['2026-01-01T00:00:00.Z', 'a point and no digits'],
    ['2026-01-01T00:00:00,5Z', 'a comma'],
    ['2026-01-01', 'no time'],
    ['2026-01-01T00:00Z', 'no seconds'],
    ['26-01-01T00:00:00Z', 'two digits of a year'],
    ['+02026-01-01T00:00:00Z', 'a year of Date.toISOString'],
    [' 2026-01-01T00:00:00Z', 'a space before'],
    ['2026-01-01T00:00:00Z\n', 'a line break behind'],
    ['2026-01-01T00:00:00Z[Europe/Berlin]', 'a zone in brackets'],
    ['٢٠٢٦-01-01T00:00:00Z', 'digits that are not ASCII'],
    ['1763780760123', 'a number'],
    ['', 'nothing'],
  ])('refuses %j: %s', (written) => {
    expect(parseTimestamp(written)).toBeUndefined()
  })

  it('reads 29 February of a leap year', () => {
    expect(parseTimestamp('2000-02-29T00:00:00Z')).toBe(Date.parse('2000-02-29T00:00:00Z') * 1_000)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (any) => parseTimestamp(any) === undefined))
  })
})

describe('formatTimestamp', () => {
  it('is read back as the same microsecond', () => {
    const micros = fc.integer({ min: -8_000_000_000_000_000, max: Number.MAX_SAFE_INTEGER })
    fc.assert(fc.property(micros, (at) => parseTimestamp(formatTimestamp(at)) === at))
  })

  it('writes six digits in UTC', () => {
    expect(formatTimestamp(1_763_780_760_000_007)).toBe('2025-11-22T03:06:00.000007Z')
    expect(formatTimestamp(-1)).toBe('1969-12-31T23:59:59.999999Z')
  })
})
