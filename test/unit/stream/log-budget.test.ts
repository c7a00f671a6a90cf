import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { logBudget } from '../../../src/stream/log-budget.js'
import type { Memory } from '../../../src/stream/memory.js'

const server = (used: number, max: number): Memory => ({ server: 'a:1', used, max, policy: 'noeviction' })

describe('the budget of the log', () => {
  it('is what was configured while Redis has room, or no maxmemory, or the size of the log is unknown', () => {
    expect(logBudget([server(670, 1_000)], 600, 20, 500)).toBe(500)
    expect(logBudget([server(5_000, 0)], 4_000, 20, 500)).toBe(500)
    expect(logBudget([server(999, 1_000)], undefined, 20, 500)).toBe(500)
  })

  it('is less by what is too much, from 85 % of what requests may fill on', () => {
    expect(logBudget([server(780, 1_000)], 600, 20, 10_000)).toBe(500)
    expect(logBudget([server(780, 1_000)], 600, 20, 300)).toBe(300)
    expect(logBudget([server(10, 1_000), server(780, 1_000)], 1_000, 20, 10_000)).toBe(800)
  })

  it('is never negative nor above its budget', () => {
    const memory = fc.tuple(fc.nat(10_000), fc.nat(10_000)).map(([used, max]) => server(used, max))
    const memories = fc.array(memory, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(memories, fc.nat(10_000), fc.nat(90), fc.nat(10_000), (all, log, reserve, most) => {
        const budget = logBudget(all, log, reserve, most)
        expect(budget).toBeGreaterThanOrEqual(0)
        expect(budget).toBeLessThanOrEqual(most)
      }),
    )
  })
})
