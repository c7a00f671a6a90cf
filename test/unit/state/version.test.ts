import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeVersion, NO_VERSION, timestampOf } from '../../../src/state/version.js'
import { semantically, type Told, told, versionOf } from '../../support/model.js'

/** Numbers of all lengths alike; every other one is 7, so that what comes after it decides. */
const number = (digits: number) =>
  fc.oneof(
    fc.constant(7),
    fc.nat(digits - 1).chain((more) => fc.maxSafeNat().map((n) => n % 10 ** (more + 1))),
  )
const sequence = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(63))
  .map(([bits, shift]) => bits >> BigInt(shift))

/** Any event that a version can be made of. */
const anywhere: fc.Arbitrary<Told> = fc.record({
  timestamp: number(16),
  operation: fc.constantFrom('snapshot' as const, 'snapshot' as const, 'patch' as const, 'delete' as const),
  at: fc.record({
    partition: fc.nat(256),
    entryId: fc.tuple(number(13), fc.oneof(fc.constant(7n), sequence)).map((parts) => parts.join('-')),
    index: number(7),
  }),
  values: fc.constant([]),
})

describe('a version', () => {
  it.each([
    ['colliding', told],
    ['any', anywhere],
  ])('orders %s events as their numbers do, as text and as bytes', (_, events) => {
    fc.assert(
      fc.property(events, events, (a, b) => {
        const [left, right] = [versionOf(a), versionOf(b)]
        const order = Math.sign(semantically(a, b))
        expect(Number(left > right) - Number(left < right)).toBe(order)
        expect(Buffer.compare(Buffer.from(left), Buffer.from(right))).toBe(order)
      }),
      { numRuns: 1_000 },
    )
  })

  it('is newer than no version, and ASCII', () => {
    fc.assert(
      fc.property(anywhere, (event) => {
        expect(versionOf(event) > NO_VERSION).toBe(true)
        expect(versionOf(event)).toMatch(/^[0-9a-z.-]+$/)
      }),
    )
  })

  it('gives back the timestamp', () => {
    fc.assert(fc.property(anywhere, (event) => timestampOf(versionOf(event)) === event.timestamp))
  })

  it('looks as it is documented: stored rows depend on it', () => {
    const at = { partition: 0, entryId: '1763780760125-0', index: 3 }
    expect(makeVersion(1_763_780_760_123_456, 'patch', at)).toBe('1763780760123456.2.1763780760125-10.10.13')
  })
})
