import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Durations, RecentDurations } from '../../src/health/durations.js'

/** The exact quantile, by sorting. */
function exact(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN
}

describe('durations', () => {
  const ms = fc.integer({ min: 0, max: 2 ** 31 - 1 }).map((us) => us / 1_000)
  const share = fc.constantFrom(0, 0.25, 0.5, 0.9, 0.99, 0.999, 1)

  it('have quantiles that are never too low, and at most 0.8 % too high', () => {
    fc.assert(
      fc.property(fc.array(ms, { minLength: 1, maxLength: 300 }), share, (values, at) => {
        const durations = new Durations()
        for (const value of values) durations.record(value)
        const told = durations.quantile(at)
        const right = exact(values, at)
        expect(told).toBeGreaterThanOrEqual(right)
        expect(told).toBeLessThanOrEqual(right * 1.008 + 0.001)
      }),
    )
  })

  it('add up, also from another process', () => {
    fc.assert(
      fc.property(fc.array(ms), fc.array(ms), share, (some, others, at) => {
        const [one, other, both] = [new Durations(), new Durations(), new Durations()]
        for (const value of some) one.record(value)
        for (const value of others) other.record(value)
        for (const value of [...some, ...others]) both.record(value)
        one.add(new Durations([...other.counts]))
        expect([one.count, one.quantile(at)]).toEqual([both.count, both.quantile(at)])
      }),
    )
  })

  it('beyond half an hour or below nothing count as that', () => {
    const durations = new Durations()
    durations.record(-5)
    durations.record(1e9)
    expect(durations.quantile(0)).toBe(0)
    expect(durations.quantile(1)).toBeCloseTo(2 ** 31 / 1_000, -2)
    durations.clear()
    expect(durations.quantile(0.5)).toBeUndefined()
  })

  it('of the last minute forget what is older', () => {
    const recent = new RecentDurations()
    for (let second = 0; second < 60; second++) recent.record(second < 10 ? 1_000 : 0.1, second * 1_000)
    expect(recent.quantiles(59_000).p99).toBeGreaterThan(999)
    expect(recent.quantiles(60_000).p99).toBe(0.1)
    recent.record(0.2, 95_000)
    expect(recent.quantiles(95_000)).toEqual({ p50: 0.1, p99: 0.2, p999: 0.2 })
    expect(recent.quantiles(1_000_000)).toEqual({ p50: undefined, p99: undefined, p999: undefined })
  })
})
