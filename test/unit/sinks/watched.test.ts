import { expect, test } from 'vitest'
import { BatchError, RejectedError, TransientError } from '../../../src/errors.js'
import { newWorkerStats, workerFigures } from '../../../src/health/stats.js'
import type { Sink } from '../../../src/sinks/sink.js'
import { watched } from '../../../src/sinks/watched.js'

const NEVER = new AbortController().signal

/** A sink that ends each write as the next of `ends` says. */
function sinkOf(...ends: (Error | undefined)[]) {
  const stats = newWorkerStats()
  const bare: Sink<string> = {
    name: 'store',
    write: async () => {
      const end = ends.shift()
      if (end) throw end
    },
    ping: async () => undefined,
    close: async () => undefined,
  }
  const recoveries: number[] = []
  // At each attempt the same ones, as the pipeline has them.
  const items = ['a']
  const sink = watched(bare, stats, ({ attempts }) => recoveries.push(attempts))
  return {
    stats,
    bare,
    sink,
    recoveries,
    write: () => sink.write(items, NEVER).catch((error: unknown) => error),
  }
}

test('a store that answers, but takes no writes, is not ready, and says since when and how often', async () => {
  const full = new TransientError('the disk is full')
  const { stats, sink, recoveries, write } = sinkOf(full, new TransientError('still full'), undefined)
  await sink.ping(NEVER)
  expect(workerFigures(stats).failing).toBeUndefined()
  const began = Date.now()
  expect(await write()).toBe(full)
  await write()
  const { failing } = workerFigures(stats)
  expect(failing).toMatchObject({ attempts: 2, message: 'still full' })
  expect(failing?.since).toBeGreaterThanOrEqual(began)
  const since = new Date(failing?.since ?? 0).toISOString()
  await expect(sink.ping(NEVER)).rejects.toThrow(`still full; 2 attempts since ${since}`)
  await write()
  await sink.ping(NEVER)
  expect(stats.failing).toBeUndefined()
  await write()
  expect(recoveries).toEqual([2])
})

test('a store that refuses some of a batch has taken the rest', async () => {
  const refused = new BatchError(new Map([['a', new RejectedError('refused_by_store', 'no')]]))
  const { stats, sink, write } = sinkOf(new TransientError('away'), refused)
  await write()
  expect(stats.failing?.attempts).toBe(1)
  expect(await write()).toBe(refused)
  await sink.ping(NEVER)
})

test("a bug is not its store's failure", async () => {
  const { stats, write } = sinkOf(new TypeError('x is undefined'))
  expect(await write()).toBeInstanceOf(TypeError)
  expect(stats.failing).toBeUndefined()
})

test('of several writes that fail one is tried again, and the others wait for it', async () => {
  const attempts: string[] = []
  let away = true
  const { stats, bare } = sinkOf()
  const sink = watched<string>(
    {
      ...bare,
      write: async ([item = '']) => {
        attempts.push(item)
        if (away) throw new TransientError('away')
      },
    },
    stats,
  )
  const [first, second, third] = [['first'], ['second'], ['third']]
  const failed = await Promise.allSettled([sink.write(first, NEVER), sink.write(second, NEVER)])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const others = [sink.write(second, NEVER), sink.write(third, NEVER)]
  await sink.write(first, NEVER).catch(() => undefined)
  expect(attempts).toEqual(['first', 'second', 'first'])
  expect(stats.failing?.attempts).toBe(2)
  away = false
  await sink.write(first, NEVER)
  await Promise.all(others)
  expect(attempts.slice(3)).toEqual(['first', 'second', 'third'])
  expect(stats.failing).toBeUndefined()
})

test('a write that waits for another is given up with the worker', async () => {
  const { stats, bare } = sinkOf(new TransientError('away'))
  const sink = watched(bare, stats)
  const giveUp = new AbortController()
  await expect(sink.write(['first'], giveUp.signal)).rejects.toThrow('away')
  const waiting = sink.write(['second'], giveUp.signal)
  giveUp.abort(new Error('the time is over'))
  await expect(waiting).rejects.toThrow('the time is over')
  await expect(sink.write(['third'], giveUp.signal)).rejects.toThrow('the time is over')
})
