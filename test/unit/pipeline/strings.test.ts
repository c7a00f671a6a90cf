import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findString } from '../../../src/pipeline/json.js'

const isHalf = (text: string) => !text.isWellFormed()

describe('findString', () => {
  it.each([
    ['a text', '\ud83d'],
    ['its second half', '\ude00'],
    ['the halves in the wrong order', '\ude00\ud83d'],
    ['a list', [1, ['a\ud83d']]],
    ['a value', { a: { b: '\ud83d' } }],
    ['a name', { a: { '\ud83d': 1 } }],
    ['a name of an object', JSON.parse('{"__proto__":{"a":"\\ud83d"}}')],
  ])('finds half a pair in %s', (_, value) => {
    expect(findString(value, isHalf)).toMatch(/[\ud800-\udfff]/)
  })

  it('finds it wherever it stands, and nothing where it is not', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        // JSON.stringify escapes halves, and leaves pairs as they are.
        expect(findString(value, isHalf) !== undefined).toBe(
          /(?<!\\)(\\\\)*\\ud[89a-f]/.test(JSON.stringify(value)),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('takes whole pairs, and values that are no texts', () => {
    expect(findString({ 'a😀': ['😀', 1, null, true, {}] }, isHalf)).toBeUndefined()
  })
})
