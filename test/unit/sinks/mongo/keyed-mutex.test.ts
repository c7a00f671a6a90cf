import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyedMutex } from '../../../../src/sinks/mongo/keyed-mutex.js'

test('what is about the same document waits, whatever becomes of the first; the rest does not', async () => {
  const turns = new KeyedMutex()
  const log: string[] = []
  const work =
    (name: string, fails = false) =>
    async () => {
      log.push(`${name} begins`)
      await turn()
      log.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    }
  const all = await Promise.allSettled([
    turns.take(new Set(['x', 'y']), work('first', true)),
    turns.take(new Set(['y', 'z']), work('second')),
    turns.take(new Set(['a']), work('other')),
  ])
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  expect(log.slice(0, 2)).toEqual(['first begins', 'other begins'])
  expect(log.indexOf('second begins')).toBeGreaterThan(log.indexOf('first ends'))
})

test('whatever comes, no two have a key at the same time, and all have their turn', async () => {
  const batches = fc.array(fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 3 }), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(batches, async (all) => {
      const turns = new KeyedMutex()
      const under = new Set<number>()
      let done = 0
      const take = (keys: readonly number[]) =>
        turns.take(new Set(keys.map(String)), async () => {
          for (const key of keys) {
            expect(under.has(key)).toBe(false)
            under.add(key)
          }
          await turn()
          for (const key of keys) under.delete(key)
          done++
        })
      await Promise.all(all.map(take))
      expect(done).toBe(all.length)
    }),
    { numRuns: 30 },
  )
})
