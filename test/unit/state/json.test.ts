import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseExactly, writeJson } from '../../../src/state/json.js'

const large = fc
  .bigInt({ min: -(10n ** 40n), max: 10n ** 40n })
  .filter((whole) => !Number.isSafeInteger(Number(whole)))
const name = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'a', '\\udc001'),
  fc.string({ unit: 'grapheme' }),
)
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      large,
      fc.integer(),
      fc.constantFrom(0.5, 1e300, null, true, '\\udc00123', '"\\udc001"'),
      fc.string({ unit: 'grapheme' }),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value

describe('JSON with whole numbers beyond 2^53', () => {
  it('is read again as it was written', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = writeJson(value)
        const again = parseExactly(text)
        expect(again).toEqual(value)
        expect(writeJson(again)).toBe(text)
      }),
      { numRuns: 1_000 },
    )
  })

  it('has them as they were sent', () => {
    const text =
      '{"a":[9007199254740992,-12345678901234567890,9007199254740991,1e300],"12345678901234567890":"x"}'
    expect(parseExactly(text)).toEqual({
      a: [9007199254740992n, -12345678901234567890n, 9007199254740991, 1e300],
      '12345678901234567890': 'x',
    })
    expect(parseExactly('12345678901234567890')).toBe(12345678901234567890n)
  })

  it('does not change the prototype of an object', () => {
    const value = parseExactly('{"__proto__":12345678901234567890}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(writeJson(value)).toBe('{"__proto__":12345678901234567890}')
  })

  it('is read at any depth, and refused at a depth that cannot be written', () => {
    const nested = `${'['.repeat(20_000)}12345678901234567890${']'.repeat(20_000)}`
    expect(() => writeJson(parseExactly(nested))).toThrow(RangeError)
  })
})
