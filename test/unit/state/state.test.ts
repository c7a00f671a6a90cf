import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  includes,
  join,
  newerFields,
  patch,
  type State,
  snapshot,
  tombstone,
  UNKNOWN,
} from '../../../src/state/state.js'
import { history, plain, replay, stateOf } from '../../support/model.js'

/** States of one entity's history: what stores and batches hold. They share events, as redeliveries do. */
const states = (count: number) =>
  history.chain((events) =>
    fc
      .array(fc.subarray(events), { minLength: count, maxLength: count })
      .map((parts) => parts.map((part) => part.map(stateOf).reduce(join, UNKNOWN))),
  )

function same(a: State, b: State): void {
  expect(plain(a)).toEqual(plain(b))
}

describe('join', () => {
  it('is commutative', () => {
    fc.assert(fc.property(states(2), ([a = UNKNOWN, b = UNKNOWN]) => same(join(a, b), join(b, a))))
  })

  it('is associative', () => {
    fc.assert(
      fc.property(states(3), ([a = UNKNOWN, b = UNKNOWN, c = UNKNOWN]) =>
        same(join(join(a, b), c), join(a, join(b, c))),
      ),
    )
  })

  it('is idempotent, with UNKNOWN as its neutral element', () => {
    fc.assert(
      fc.property(states(1), ([a = UNKNOWN]) => {
        same(join(a, a), a)
        same(join(a, UNKNOWN), a)
        same(join(UNKNOWN, a), a)
      }),
    )
  })

  it('ends any history as it would in order: shuffled, with duplicates, cut into any batches', () => {
    const delivered = history.chain((events) =>
      fc.record({
        events: fc.constant(events),
        batches: fc
          .tuple(
            fc.shuffledSubarray([...events, ...events], { minLength: events.length * 2 }),
            fc.array(fc.nat(events.length * 2), { maxLength: 4 }),
          )
          .map(([twice, cuts]) => {
            const ends = [0, ...cuts, twice.length].sort((a, b) => a - b)
            return ends.slice(1).map((end, i) => twice.slice(ends[i], end))
          }),
      }),
    )
    fc.assert(
      fc.property(delivered, ({ events, batches }) => {
        const folded = batches.map((batch) => batch.map(stateOf).reduce(join, UNKNOWN))
        same(folded.reduce(join, UNKNOWN), replay(events))
      }),
      { numRuns: 500 },
    )
  })

  it('keeps both of its sides as they were', () => {
    const a = patch('v1', [['a', 1]])
    const b = snapshot('v2', [['b', 2]])
    join(a, b)
    same(a, patch('v1', [['a', 1]]))
    same(b, snapshot('v2', [['b', 2]]))
  })
})

describe('includes', () => {
  it('says whether a join would change nothing', () => {
    fc.assert(
      fc.property(states(2), ([a = UNKNOWN, b = UNKNOWN]) => {
        const unchanged = JSON.stringify(plain(join(a, b))) === JSON.stringify(plain(a))
        expect(includes(a, b)).toBe(unchanged)
        expect(includes(join(a, b), b)).toBe(true)
        expect(includes(a, UNKNOWN)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a tombstone', () => {
  const gone = tombstone('v5')

  it('is not lifted by any patch, but keeps a newer one beside it', () => {
    const news = patch('v6', [['a', 1]])
    const known = join(gone, news)
    expect(known.deleted).toBe(true)
    expect(known.version).toBe('v5')
    expect(known.fields.get('a')).toEqual({ value: 1, version: 'v6' })
    same(join(gone, patch('v4', [['a', 1]])), gone)
  })

  it('is lifted by a newer snapshot, which meets the patch that was kept', () => {
    const late = patch('v7', [['a', 'newest']])
    const lifted = join(
      join(gone, late),
      snapshot('v6', [
        ['a', 'new'],
        ['b', 2],
      ]),
    )
    expect(lifted.deleted).toBe(false)
    expect([...lifted.fields].map(([name, { value }]) => [name, value]).sort()).toEqual([
      ['a', 'newest'],
      ['b', 2],
    ])
    same(join(gone, snapshot('v4', [['a', 1]])), gone)
  })
})

describe('a state', () => {
  it('holds fields named like parts of objects', () => {
    const state = join(snapshot('v1', [['__proto__', { polluted: true }]]), patch('v2', [['constructor', 1]]))
    expect([...state.fields.keys()]).toEqual(['__proto__', 'constructor'])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it('names only the fields that are newer than its base', () => {
    const state = join(
      snapshot('v1', [
        ['a', 1],
        ['b', 1],
      ]),
      patch('v2', [['b', 2]]),
    )
    expect([...newerFields(state)]).toEqual([['b', 'v2']])
    expect([...newerFields(patch('v3', [['c', 1]]))]).toEqual([['c', 'v3']])
  })

  it('drops what a newer snapshot does not name', () => {
    const known = snapshot('v1', [
      ['a', 1],
      ['b', 1],
    ])
    expect([...join(known, snapshot('v2', [['a', 2]])).fields.keys()]).toEqual(['a'])
  })
})
