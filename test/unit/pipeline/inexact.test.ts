import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longNumbers } from '../../../src/pipeline/json.js'

const inexactNumber = (text: string) => longNumbers(text)?.inexact
const HUGE = '12345678901234567890.5'

describe('a number that a double cannot hold', () => {
  it.each([
    [`[${HUGE}]`, HUGE],
    [`{"a":${HUGE}}`, HUGE],
    [HUGE, HUGE],
    [`[1,"\\\\",${HUGE}]`, HUGE],
    [`["\\"",{"x":[-1.5e-999]}]`, '-1.5e-999'],
    ['[1E400]', '1E400'],
    ['[0.12345678901234567890]', '0.12345678901234567890'],
    [`[12345678901234567890,${'9'.repeat(1_001)}]`, '9'.repeat(1_001)],
    ['[12345678901234567890.0e1000]', '12345678901234567890.0e1000'],
  ])('is found in %s', (text, number) => {
    expect(JSON.parse(text)).toBeDefined()
    expect(inexactNumber(text)).toBe(number)
  })

  it.each([
    `["${HUGE}","1e999"]`,
    `{"${HUGE}":"\\"${HUGE}"}`,
    '["550e8400-e29b-41d4-a716-446655440000"]',
    '[1.5,0.1,1e10,9007199254740991,1.7976931348623157e308]',
    `["\\\\\\"${HUGE}"]`,
  ])('is not seen in %s', (text) => {
    expect(JSON.parse(text)).toBeDefined()
    expect(inexactNumber(text)).toBeUndefined()
  })

  it.each([
    ['[12345678901234567890,1.5,9007199254740992]', '12345678901234567890'],
    ['{"9007199254740993":-9007199254740993}', '-9007199254740993'],
    [`[${'9'.repeat(1_000)}]`, '9'.repeat(1_000)],
    ['["12345678901234567890",9007199254740991,1e300]', undefined],
  ])('is none where it is whole: %s', (text, large) => {
    expect(longNumbers(text)).toEqual(large && { inexact: undefined, large })
  })

  it('is found among any other JSON, and never in what JavaScript has written', () => {
    const value = fc.jsonValue({ stringUnit: 'binary' }).map((any) => JSON.stringify(any))
    fc.assert(
      fc.property(value, value, (before, after) => {
        expect(inexactNumber(`[${before},${after}]`)).toBeUndefined()
        expect(inexactNumber(`[${before},${HUGE},${after}]`)).toBe(HUGE)
      }),
      { numRuns: 200 },
    )
  })

  it('is found in a megabyte in no time', () => {
    const start = performance.now()
    const texts = ['\\\\'.repeat(500_000), '\\"'.repeat(500_000), '1e999'.repeat(200_000)]
    for (const text of texts) expect(inexactNumber(`["${text}",${HUGE}]`)).toBe(HUGE)
    expect(inexactNumber(`[${'1234567890123456.0,'.repeat(60_000)}0]`)).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(3_000)
  })
})
