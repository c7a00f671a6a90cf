import { setMaxListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TokenSource } from '../../../src/cxone/token.js'
import { TransientError } from '../../../src/errors.js'

const never = new AbortController().signal
// Many wait with it at the same time.
setMaxListeners(0, never)

/** A source with a clock of the test, and a token endpoint that answers `t1`, `t2`, ... */
function source(lifeMs: number | undefined) {
  const world = { now: 1_000_000, asked: 0, lifeMs, failure: undefined as Error | undefined }
  const tokens = new TokenSource(
    async () => {
      world.asked++
      if (world.failure) throw world.failure
      return { token: `t${world.asked}`, lifeMs: world.lifeMs, askedAt: world.now }
    },
    () => world.now,
  )
  return { world, tokens }
}

describe('the token', () => {
  it.each([
    ['30 s before its end', 3_600_000, 3_570_000],
    ['30 s before its end, where it lasts 300 s', 300_000, 270_000],
    ['when a tenth of a short life is left', 5_000, 4_500],
    ['as if it lasted 300 s, where its life is not said', undefined, 270_000],
  ])('is refreshed %s', async (_, lifeMs, refreshAt) => {
    const { world, tokens } = source(lifeMs)
    expect(await tokens.get(never)).toBe('t1')
    world.now += refreshAt - 1
    expect(await tokens.get(never)).toBe('t1')
    world.now += 1
    expect(await tokens.get(never)).toBe('t2')
    expect(await tokens.get(never)).toBe('t2')
  })

  it('is never used after its end, and asked for at most once a refresh', async () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100_000 }), pauses, async (lifeMs, steps) => {
        const { world, tokens } = source(lifeMs)
        const issuedAt = new Map<string, number>()
        for (const ms of steps) {
          world.now += ms
          const got = await Promise.all([tokens.get(never), tokens.get(never), tokens.get(never)])
          expect(new Set(got).size).toBe(1)
          const token = String(got[0])
          const at = issuedAt.get(token) ?? world.now
          issuedAt.set(token, at)
          expect(world.now).toBeLessThan(at + lifeMs)
        }
        expect(world.asked).toBe(issuedAt.size)
      }),
    )
  })

  it('is asked for once, however many wait, and goes on where one stops waiting', async () => {
    let answer: () => void = () => undefined
    let asked = 0
    const tokens = new TokenSource(async () => {
      asked++
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      return { token: 'one', lifeMs: 60_000, askedAt: performance.now() }
    })
    const stop = new AbortController()
    const impatient = tokens.get(stop.signal)
    const others = Promise.all(Array.from({ length: 50 }, () => tokens.get(never)))
    const reason = new Error('over')
    stop.abort(reason)
    await expect(impatient).rejects.toBe(reason)
    answer()
    expect(new Set(await others)).toEqual(new Set(['one']))
    expect(asked).toBe(1)
  })

  it('is asked for again after a failure, which all get that have waited', async () => {
    const { world, tokens } = source(5_000)
    world.failure = new TransientError('away')
    const both = await Promise.allSettled([tokens.get(never), tokens.get(never)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(world.asked).toBe(1)
    world.failure = undefined
    expect(await tokens.get(never)).toBe('t2')
  })

  it('serves to its end while the endpoint is away, but not after it is refused', async () => {
    const { world, tokens } = source(5_000)
    await tokens.get(never)
    world.now += 4_600
    world.failure = new TransientError('away')
    expect(await tokens.get(never)).toBe('t1')
    tokens.discard('t0')
    expect(await tokens.get(never)).toBe('t1')
    world.failure = new Error('the client is unknown')
    await expect(tokens.get(never)).rejects.toThrow('the client is unknown')
    world.failure = new TransientError('away')
    tokens.discard('t1')
    await expect(tokens.get(never)).rejects.toThrow('away')
    world.failure = undefined
    expect(await tokens.get(never)).toMatch(/^t\d$/)
    world.now += 5_000
    world.failure = new TransientError('away')
    await expect(tokens.get(never)).rejects.toThrow('away')
  })

  it('ends a refresh when it is closed', async () => {
    const tokens = new TokenSource(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
    const waiting = tokens.get(never)
    tokens.close()
    await expect(waiting).rejects.toThrow('the client of CXone is closed')
  })
})
