import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Flights } from '../../src/pipeline/flights.js'

/** Work that ends when it is told to. */
function flight() {
  let [land, crash] = [(): void => {}, (_: Error): void => {}]
  const ended = new Promise<void>((resolve, reject) => {
    land = resolve
    crash = reject
  })
  return { work: () => ended, land, crash }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('so many batches are under way at a time, and the next one starts when one has ended', async () => {
  const flights = new Flights(2)
  const [a, b, c] = [flight(), flight(), flight()]
  await flights.start(new Set(['a']), a.work)
  await flights.start(new Set(['b']), b.work)
  let started = false
  const starting = flights.start(new Set(['c']), () => {
    started = true
    return c.work()
  })
  await turn()
  expect(started).toBe(false)
  b.land()
  await starting
  expect(started).toBe(true)
  a.land()
  c.land()
  await flights.landed()
})

test('what is about the same thing waits', async () => {
  const flights = new Flights(3)
  const [a, b] = [flight(), flight()]
  await flights.start(new Set(['x', 'y']), a.work)
  let started = false
  const starting = flights.start(new Set(['y', 'z']), () => {
    started = true
    return b.work()
  })
  await turn()
  expect(started).toBe(false)
  a.land()
  await starting
  b.land()
  await flights.landed()
})

test('what one has failed with ends all', async () => {
  const flights = new Flights(2)
  const [a, b] = [flight(), flight()]
  await flights.start(new Set(['a']), a.work)
  await flights.start(new Set(['b']), b.work)
  a.crash(new TypeError('a bug'))
  await turn()
  await expect(flights.start(new Set(['c']), async () => undefined)).rejects.toThrow('a bug')
  b.land()
  await expect(flights.landed()).rejects.toThrow('a bug')
})

test('whatever comes, nothing overlaps that must not, and everything is done', async () => {
  const batches = fc.array(fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 }), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(batches, fc.integer({ min: 1, max: 4 }), async (all, most) => {
      const flights = new Flights(most)
      const under = new Map<number, number>()
      let [now, done] = [0, 0]
      for (const keys of all) {
        await flights.start(new Set(keys.map(String)), async () => {
          now++
          for (const key of keys) under.set(key, (under.get(key) ?? 0) + 1)
          expect(now).toBeLessThanOrEqual(most)
          expect(Math.max(...keys.map((key) => under.get(key) ?? 0))).toBe(1)
          await turn()
          for (const key of keys) under.set(key, (under.get(key) ?? 0) - 1)
          now--
          done++
        })
      }
      await flights.landed()
      expect(done).toBe(all.length)
    }),
    { numRuns: 30 },
  )
})
