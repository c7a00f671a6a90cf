import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransientError } from '../../src/errors.js'
import { backoffMs, DEFAULT_BACKOFF, retryTransient } from '../../src/retry.js'

const QUICK = { initialMs: 1, maxMs: 2 }
const never = new AbortController().signal

describe('backoffMs', () => {
  it('lies between half and the whole of a bound that doubles up to its maximum', () => {
    const backoff = fc.record({
      initialMs: fc.integer({ min: 1, max: 1_000 }),
      maxMs: fc.integer({ min: 1 }),
    })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1 }), backoff, random, (attempt, times, share) => {
        const bound = Math.min(times.maxMs, times.initialMs * 2 ** Math.min(attempt - 1, 30))
        const pause = backoffMs(attempt, times, () => share)
        expect(pause).toBeGreaterThanOrEqual(bound / 2)
        expect(pause).toBeLessThanOrEqual(bound)
      }),
    )
    const bounds = [1, 2, 3, 7, 8, 1_000].map((attempt) => backoffMs(attempt, DEFAULT_BACKOFF, () => 0))
    expect(bounds).toEqual([25, 50, 100, 1_600, 2_500, 2_500])
  })

  it('differs between replicas', () => {
    expect(new Set(Array.from({ length: 20 }, () => backoffMs(5, DEFAULT_BACKOFF))).size).toBeGreaterThan(15)
  })
})

describe('retryTransient', () => {
  it('tries until it works, and tells of every failure', async () => {
    let left = 3
    const told: unknown[] = []
    const work = async () => {
      if (left-- > 0) throw new TransientError(`away ${left}`)
      return 'done'
    }
    const onRetry = (error: TransientError, attempt: number, pauseMs: number) => {
      told.push([error.message, attempt, pauseMs > 0 && pauseMs <= 2])
    }
    expect(await retryTransient(work, never, onRetry, QUICK)).toBe('done')
    expect(told).toEqual([
      ['away 2', 1, true],
      ['away 1', 2, true],
      ['away 0', 3, true],
    ])
  })

  it('waits for `onRetry`', async () => {
    const order: string[] = []
    let failed = false
    const work = async () => {
      order.push('work')
      if (failed) return
      failed = true
      throw new TransientError('away')
    }
    const onRetry = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      order.push('told')
    }
    await retryTransient(work, never, onRetry, QUICK)
    expect(order).toEqual(['work', 'told', 'work'])
  })

  it('hands on whatever is not transient, at once', async () => {
    const bug = new TypeError('a bug')
    const retries: number[] = []
    const ended = retryTransient(
      () => Promise.reject(bug),
      never,
      (_, attempt) => {
        retries.push(attempt)
      },
      QUICK,
    )
    await expect(ended).rejects.toBe(bug)
    expect(retries).toEqual([])
  })

  it('does not begin after the abort', async () => {
    const reason = new Error('over')
    let calls = 0
    const work = async () => {
      calls++
    }
    await expect(retryTransient(work, AbortSignal.abort(reason), () => undefined)).rejects.toBe(reason)
    expect(calls).toBe(0)
  })

  it('ends a pause with the reason of the abort', async () => {
    const stop = new AbortController()
    const reason = new Error('over')
    const away = () => Promise.reject(new TransientError('away'))
    const onRetry = () => {
      setTimeout(() => stop.abort(reason), 10)
    }
    // Longer than a test may take: it ends because of the abort.
    const ended = retryTransient(away, stop.signal, onRetry, { initialMs: 600_000, maxMs: 600_000 })
    await expect(ended).rejects.toBe(reason)
  })
})
