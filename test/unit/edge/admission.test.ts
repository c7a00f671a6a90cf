import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission, type Limit, LOW_MARK, shareOf } from '../../../src/edge/admission.js'
import type { Backlog } from '../../../src/edge/backlog.js'
import { DrainRate } from '../../../src/edge/drain-rate.js'
import { type BacklogBudget, compare } from '../../../src/edge/reading.js'

const limit = (used: number, most: number): Limit => ({ variable: 'BACKLOG_MAX_BYTES', used, most })

/** How many of `count` requests are admitted. */
function admitted(admission: Admission, count: number): number {
  return Array.from({ length: count }, () => admission.admits()).filter(Boolean).length
}

describe('an admission', () => {
  it('admits everything at first, and without a limit however much comes', () => {
    const admission = new Admission()
    admission.take(1e12)
    expect([admitted(admission, 1_000), admission.share]).toEqual([1_000, 1])
  })

  it('admits all up to the low mark, none from the limit on, and never more where more is used', () => {
    const amount = fc.double({ min: 0, max: 2, noNaN: true })
    fc.assert(
      fc.property(amount, amount, fc.array(amount, { maxLength: 3 }), amount, (a, b, others, age) => {
        const share = (use: number) =>
          shareOf({ limits: [limit(use * 1e6, 1e6), ...others.map((x) => limit(x * 50, 50))], age }, 0)
        const [less, more] = [Math.min(a, b), Math.max(a, b)]
        expect(share(less)).toBeGreaterThanOrEqual(share(more))
        expect(share(1)).toBe(0)
        if ([less, age, ...others].every((use) => use <= LOW_MARK)) expect(share(less)).toBe(1)
        if (age >= 1 || others.some((use) => use >= 1)) expect(share(less)).toBe(0)
      }),
    )
  })

  it('admits exactly its share, spread evenly', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
        const admission = new Admission()
        admission.update({ limits: [], age: 1 - share * (1 - LOW_MARK) }, 0)
        // In every stretch, however short.
        for (const count of [10, 100, 7, 1_000]) {
          const got = admitted(admission, count)
          expect(Math.abs(got - count * admission.share)).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('counts what it takes at once, and only until a reading has it', () => {
    const admission = new Admission()
    admission.update({ limits: [limit(80, 100)], age: 0 }, 0)
    expect(admission.share).toBe(1)
    admission.take(15)
    expect(admission.share).toBeCloseTo(0.5)
    const { taken } = admission
    admission.take(4)
    admission.update({ limits: [limit(90, 100)], age: 0 }, taken)
    expect([admission.taken, admission.share]).toEqual([4, expect.closeTo(0.6)])
    admission.take(6)
    expect(admitted(admission, 100)).toBe(0)
    admission.open()
    expect(admitted(admission, 100)).toBe(100)
  })
})

describe('the speed of a group', () => {
  const group = (entries: number, acknowledged: number | undefined) => [
    { group: 'g', entries, bytes: entries, ageMs: 0, acknowledged },
  ]
  const speedAfter = (...readings: [at: number, entries: number, acknowledged: number | undefined][]) => {
    const drainRate = new DrainRate()
    for (const [at, entries, acknowledged] of readings) drainRate.observe(group(entries, acknowledged), at)
    return drainRate.speedOf('g')
  }

  it('is what it settles while it has enough to do', () => {
    expect(speedAfter([0, 100, 0])).toBeUndefined()
    expect(speedAfter([0, 100, 0], [500, 100, 50])).toBeCloseTo(0.1)
    const [slower, ...rest] = [
      [0, 1e4, 0],
      [500, 1e4, 500],
      [1_000, 1e4, 750],
    ] as const
    expect(speedAfter([...slower], ...rest.map((one) => [...one] as [number, number, number]))).toBeCloseTo(
      1 - 0.5 * (1 - Math.exp(-0.05)),
    )
  })

  it('is not known where it keeps up, or Redis does not know it, and stays where it stands still', () => {
    expect(speedAfter([0, 10, 0], [500, 10, 50])).toBeUndefined()
    expect(speedAfter([0, 100, 0], [500, 100, 50], [1_000, 0, 150])).toBeUndefined()
    expect(speedAfter([0, 100, undefined], [500, 100, 50])).toBeUndefined()
    expect(speedAfter([0, 100, 0], [500, 100, 50], [1_000, 200, 50])).toBeCloseTo(0.1)
  })
})

interface Moment {
  readonly second: number
  readonly bytes: number
  readonly share: number
  /** Requests that were admitted until then. */
  readonly came: number
}

/** Ten minutes of a sink that is slower than what comes, in steps of 10 ms; all rates in entries of 1,000 bytes a second. */
function simulate(
  budget: BacklogBudget,
  load: { readonly offered: number; readonly drain: (second: number) => number; readonly edges: number },
) {
  const edges = Array.from({ length: load.edges }, () => ({
    admission: new Admission(),
    drainRate: new DrainRate(),
  }))
  /** When each waiting entry came, first in first out. */
  const came: number[] = []
  const history: Moment[] = []
  let [acknowledged, owed, due] = [0, 0, 0]
  const STEP_MS = 10
  for (let now = 0; now < 600_000; now += STEP_MS) {
    due += (load.offered * STEP_MS) / 1_000
    for (let n = 0; due >= 1; due--, n++) {
      const edge = edges[n % edges.length]
      if (!edge?.admission.admits()) continue
      edge.admission.take(1_000)
      came.push(now)
    }
    owed = Math.min(came.length - acknowledged, owed + (load.drain(now / 1_000) * STEP_MS) / 1_000)
    const done = Math.floor(owed)
    owed -= done
    acknowledged += done
    edges.forEach(({ admission, drainRate }, i) => {
      if ((now + i * 130) % 500 !== 0) return
      const entries = came.length - acknowledged
      const ageMs = now - (came[acknowledged] ?? now)
      const groups = [{ group: 'g', entries, bytes: entries * 1_000, ageMs, acknowledged }]
      const backlog: Backlog = { bytes: entries * 1_000, groups }
      drainRate.observe(groups, now)
      admission.update(compare(backlog, [], drainRate, budget), admission.taken)
    })
    if (now % 500 === 0) {
      const share = edges.reduce((sum, { admission }) => sum + admission.share, 0) / edges.length
      history.push({
        second: now / 1_000,
        bytes: (came.length - acknowledged) * 1_000,
        share,
        came: came.length,
      })
    }
  }
  return history
}

/** How often a series turns by more than a tenth of its top. */
function turns(values: readonly number[]): number {
  const noise = Math.max(...values) / 10
  let [count, direction, extreme] = [0, 1, 0]
  for (const value of values) {
    if ((value - extreme) * direction > 0) extreme = value
    else if (Math.abs(value - extreme) > noise) {
      direction = -direction
      extreme = value
      count++
    }
  }
  return count
}

describe('what comes', { timeout: 60_000 }, () => {
  const NONE = { maxBytes: 0, maxAgeMs: 0, reservePercent: 20 }
  const drains = fc.integer({ min: 100, max: 400 })
  const factor = fc.double({ min: 1.4, max: 5, noNaN: true })

  it('settles at what goes out, below the budget of bytes', () => {
    fc.assert(
      fc.property(drains, factor, fc.constantFrom(1, 2), (drain, times, edges) => {
        const budget = { ...NONE, maxBytes: 8_000_000 }
        const history = simulate(budget, { offered: drain * times, drain: () => drain, edges })
        expect(turns(history.map(({ bytes }) => bytes))).toBe(0)
        expect(Math.max(...history.map(({ bytes }) => bytes))).toBeLessThanOrEqual(budget.maxBytes)
        const end = history.slice(-100)
        expect(Math.min(...end.map(({ bytes }) => bytes))).toBeGreaterThan(budget.maxBytes * 0.88)
        const inflow = ((end.at(-1)?.came ?? 0) - (end[0]?.came ?? 0)) / (0.5 * (end.length - 1))
        expect(Math.abs(inflow / drain - 1)).toBeLessThan(0.05)
      }),
      { numRuns: 10 },
    )
  })

  it('settles below the budget of age, which is known only when it is too late', () => {
    fc.assert(
      fc.property(drains, factor, (drain, times) => {
        const budget = { ...NONE, maxAgeMs: 60_000 }
        const history = simulate(budget, { offered: drain * times, drain: () => drain, edges: 1 })
        expect(turns(history.map(({ bytes }) => bytes))).toBe(0)
        expect(Math.max(...history.map(({ bytes }) => bytes))).toBeLessThanOrEqual(drain * 60_000 * 1.02)
        expect(history.at(-1)?.bytes).toBeGreaterThan(drain * 60_000 * 0.88)
      }),
      { numRuns: 10 },
    )
  })

  it.each([
    ['bytes', { ...NONE, maxBytes: 20_000_000 }],
    ['age', { ...NONE, maxAgeMs: 60_000 }],
  ])('is admitted again after an outage, once, with a budget of %s', (_, budget) => {
    // Nothing goes out between 60 s and 300 s; afterwards four times of what comes.
    const drain = (second: number) => (second > 60 && second < 300 ? 0 : 800)
    const history = simulate(budget, { offered: 200, drain, edges: 2 })
    const share = (from: number, to: number) =>
      history.filter(({ second }) => second >= from && second < to).map((one) => one.share)
    expect(new Set(share(1, 60))).toEqual(new Set([1]))
    expect(Math.max(...share(200, 300))).toBeLessThan(0.05)
    expect(turns(history.map(({ bytes }) => bytes))).toBe(1)
    expect(new Set(share(340, 600))).toEqual(new Set([1]))
  })
})
