import { expect, test } from 'vitest'
import { KIND_NAMES, KINDS, makePlan, type Shape, type Strike } from '../chaos/plan.js'

const SHAPE: Shape = {
  members: ['edge-1', 'postgres-1', 'postgres-2', 'mongo-1', 'feed-1'],
  servers: ['redis', 'postgres', 'mongodb'],
  links: ['sender>edge-1', 'edge-1>redis', 'postgres-1>redis', 'postgres-1>postgres', 'mongo-1>mongodb'],
}
const plan = (seed: number, more = {}) =>
  makePlan({ seed, forMs: 300_000, kinds: KIND_NAMES, shape: SHAPE, ...more })
const end = ({ atMs, lastsMs }: Strike) => atMs + lastsMs

test('the same seed makes the same plan, another one another', () => {
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
})

test('has every kind once before any comes again, within the time, on targets of its own', () => {
  for (const seed of [1, 2, 3]) {
    const strikes = plan(seed)
    expect(strikes.length).toBeGreaterThan(2 * KIND_NAMES.length)
    const first = strikes.slice(0, KIND_NAMES.length).map(({ kind }) => kind)
    expect(first.toSorted()).toEqual(KIND_NAMES.toSorted())
    for (const strike of strikes) {
      expect(KINDS[strike.kind].targets(SHAPE)).toContain(strike.target)
      expect(end(strike)).toBeLessThanOrEqual(300_000)
    }
  }
})

test('faults overlap, but never on one target', () => {
  const strikes = plan(4)
  const pairs = strikes.flatMap((one, i) =>
    strikes.slice(i + 1).flatMap((other) => (other.atMs < end(one) ? [[one, other] as const] : [])),
  )
  expect(pairs.length).toBeGreaterThan(5)
  expect(pairs.filter(([one, other]) => one.target === other.target)).toEqual([])
})

test('has only the kinds that were asked for, and says when there is nothing to strike', () => {
  expect(new Set(plan(1, { kinds: ['full', 'kill'] }).map(({ kind }) => kind))).toEqual(
    new Set(['full', 'kill']),
  )
  expect(() => plan(1, { kinds: ['full'], shape: { ...SHAPE, servers: [] } })).toThrow('nothing')
})
