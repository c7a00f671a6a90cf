import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isExact, readNumber } from '../../../schemas/number.js'

describe('isExact', () => {
  it.each([
    ...['0', '-0', '0.0', '0e999', '0.1', '-12', '1e3', '1E+3', '100e-2', '1e308', '9007199254740992'],
    // As C prints a double with 17 digits, and all digits of one.
    ...['0.10000000000000001', '0.1000000000000000055511151231257827021181583404541015625'],
    ...[
      '5e-324',
      '1.7976931348623157e308',
      '18014398509481984',
      `1${'0'.repeat(300)}`,
      '1.50000000000000000000',
    ],
  ])('takes %s', (number) => {
    expect(isExact(number)).toBe(true)
  })

  it.each([
    ...[
      '9007199254740993',
      '12345678901234567890',
      '-12345678901234567890',
      '590295810358705651710',
      '0.1234567890123456789',
    ],
    ...['1e309', '-1e400', '1e-324', '4e-324', '1e-400', `${'9'.repeat(400)}`, '1.7976931348623159e308'],
    ...[`1.${'0'.repeat(200)}1`, '3.141592653589793238'],
  ])('does not take %s', (number) => {
    expect(isExact(number)).toBe(false)
  })

  it('takes every double as JavaScript, C and Python print it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
        expect(isExact(String(double))).toBe(true)
        expect(isExact(double.toExponential(16))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('takes an integer exactly if a double is equal to it, or is printed like it', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (integer) => {
        const double = Number(integer)
        const isHeld = BigInt(double) === integer || String(double) === String(integer)
        expect(isExact(String(integer))).toBe(isHeld)
      }),
      { numRuns: 500 },
    )
  })

  it('looks at a megabyte of zeros in no time', () => {
    const start = performance.now()
    expect(isExact(`1${'0'.repeat(1_000_000)}1`)).toBe(false)
    expect(isExact(`0.${'0'.repeat(1_000_000)}1`)).toBe(false)
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

describe('readNumber', () => {
  it.each([
    ['12', 12],
    ['-12', -12],
    ['12.5', 12.5],
    ['1e3', 1_000],
    ['0', 0],
  ])('reads %s', (text, number) => {
    expect(readNumber(text)).toBe(number)
  })

  it.each([
    ...['', ' ', ' 12 ', '12 ', '12\n', '0x10', '0b1', '0o7', '1e999', '1e-999', '9007199254740993', '+1'],
    ...[
      '.5',
      '5.',
      '012',
      '1_000',
      '1,000',
      '1n',
      'NaN',
      'Infinity',
      '-Infinity',
      'null',
      'true',
      '-',
      '1e',
      '١٢',
    ],
  ])('does not read %j', (text) => {
    expect(readNumber(text)).toBeUndefined()
  })
})
