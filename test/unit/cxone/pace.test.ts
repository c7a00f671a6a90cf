import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Clock, CXONE_BACKOFF, fullJitterMs, Pace, pause } from '../../../src/cxone/pace.js'

const never = new AbortController().signal

/** A clock that jumps to the next one who waits. */
function testClock(): Clock & { run(): Promise<void> } {
  let now = 0
  const waiting: { at: number; wake: () => void }[] = []
  return {
    now: () => now,
    pause: (ms) =>
      new Promise((wake) => {
        waiting.push({ at: now + ms, wake })
      }),
    async run() {
      for (;;) {
        await new Promise(setImmediate)
        waiting.sort((a, b) => a.at - b.at)
        const next = waiting.shift()
        if (!next) return
        now = Math.max(now, next.at)
        next.wake()
      }
    },
  }
}

describe('the pause between attempts', () => {
  it('lies between nothing and a bound that doubles up to its maximum', () => {
    const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1 }), share, (attempt, random) => {
        const bound = Math.min(30_000, 500 * 2 ** Math.min(attempt - 1, 30))
        const ms = fullJitterMs(attempt, CXONE_BACKOFF, () => random)
        expect(ms).toBeGreaterThanOrEqual(0)
        expect(ms).toBeLessThanOrEqual(bound)
        expect(ms).toBe(random * bound)
      }),
    )
  })
})

describe('the pace', () => {
  it('starts the requests evenly, in their order', async () => {
    const clock = testClock()
    const pace = new Pace(10, clock)
    const starts: [number, number][] = []
    for (let n = 0; n < 4; n++) void pace.turn(never).then(() => starts.push([n, clock.now()]))
    await clock.run()
    expect(starts).toEqual([
      [0, 0],
      [1, 100],
      [2, 200],
      [3, 300],
    ])
  })

  it('starts none while it is held, and none together afterwards', async () => {
    const clock = testClock()
    const pace = new Pace(10, clock)
    const starts: number[] = []
    const request = () => pace.turn(never).then(() => starts.push(clock.now()))
    await request()
    for (let n = 0; n < 5; n++) void request()
    pace.hold(10_000)
    pace.hold(1_000)
    const released = pace.released(never).then(() => clock.now())
    void request()
    await clock.run()
    expect(await released).toBe(10_000)
    expect(starts[0]).toBe(0)
    const later = starts.slice(1).sort((a, b) => a - b)
    expect(later).toHaveLength(6)
    expect(later[0]).toBeGreaterThanOrEqual(10_000)
    for (const [n, at] of later.entries()) expect(at).toBeGreaterThanOrEqual(10_000 + n * 100)
  })

  it('gives turns at most at its rate, whenever they are asked for and held', async () => {
    const step = fc.record({ afterMs: fc.nat(500), holdMs: fc.option(fc.nat(2_000)) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const clock = testClock()
        const pace = new Pace(20, clock)
        const starts: number[] = []
        const holds: { from: number; to: number }[] = []
        const all = (async () => {
          for (const { afterMs, holdMs } of steps) {
            await clock.pause(afterMs, never)
            if (holdMs !== null) {
              pace.hold(holdMs)
              holds.push({ from: clock.now(), to: clock.now() + holdMs })
            } else void pace.turn(never).then(() => starts.push(clock.now()))
          }
        })()
        await clock.run()
        await all
        expect(starts).toHaveLength(steps.filter(({ holdMs }) => holdMs === null).length)
        starts.sort((a, b) => a - b)
        for (const [n, at] of starts.entries()) {
          if (n > 0) expect(at - (starts[n - 1] ?? 0)).toBeGreaterThanOrEqual(50 - 1e-6)
          expect(holds.filter(({ from, to }) => at > from && at < to)).toEqual([])
        }
      }),
      { numRuns: 50 },
    )
  })

  it('ends a wait with the reason of the abort', async () => {
    const stop = new AbortController()
    const reason = new Error('over')
    const pace = new Pace(1, { now: () => 0, pause })
    await pace.turn(stop.signal)
    pace.hold(600_000)
    const ended = Promise.allSettled([pace.turn(stop.signal), pace.released(stop.signal)])
    stop.abort(reason)
    expect(await ended).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ])
    await expect(pace.turn(stop.signal)).rejects.toBe(reason)
  })
})
