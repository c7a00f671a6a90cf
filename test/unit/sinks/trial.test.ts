import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BatchError, RejectedError, TransientError } from '../../../src/errors.js'
import { newWorkerStats } from '../../../src/health/stats.js'
import type { Sink } from '../../../src/sinks/sink.js'
import { watched } from '../../../src/sinks/watched.js'

const NEVER = new AbortController().signal
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

interface Item {
  readonly key: number
  readonly table: string
  /** The code by which the store refuses it; `undefined` for an innocent one. */
  readonly code?: string | undefined
}

/** A time in which the store fails, counted in writes. */
interface Outage {
  readonly begin: number
  readonly end: number
  /** The code it fails with; `undefined` for one that is never the fault of an item. */
  readonly code: string | undefined
  /** The table that fails; `undefined` for all. */
  readonly table?: string | undefined
  /** Whether what changes nothing is written even then. */
  readonly onlyNews?: boolean
}

function errorOf(code: string | undefined): TransientError {
  if (code === undefined) return new TransientError('the store is away')
  const refusal = new RejectedError('refused_by_store', `refused by ${code}`)
  return new TransientError(`it fails by ${code}`, { suspicion: { code, refusal } })
}

/** A store in memory that takes a whole write or nothing, but for an outage or a guilty item. */
function storeWith(outages: readonly Outage[]) {
  const stored = new Set<number>()
  const state = { writes: 0 }
  const sink: Sink<Item> = {
    name: 'store',
    write: async (items) => {
      const now = state.writes++
      for (const { begin, end, code, table, onlyNews = false } of outages) {
        const inTable = items.filter((item) => table === undefined || item.table === table)
        const concerns = inTable.some(({ key }) => !onlyNews || !stored.has(key))
        if (now >= begin && now < end && concerns) throw errorOf(code)
      }
      for (const item of items) if (item.code !== undefined) throw errorOf(item.code)
      for (const { key } of items) stored.add(key)
    },
    ping: async () => undefined,
    close: async () => undefined,
    comparison: {
      isAtomic: true,
      placeOf: ({ table }) => table,
      identityOf: ({ key }) => String(key),
      newsAmong: async (items) => new Set(items.filter(({ key }) => !stored.has(key))),
    },
  }
  return { sink, stored, state }
}

/** Calls until it returns, as a worker does, without its pauses: only the clock goes on. */
async function persist(work: () => Promise<void>, onRetry: (error: TransientError) => void): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof TransientError)) throw error
      onRetry(error)
      vi.advanceTimersByTime(100)
    }
  }
}

/**
 * Delivers items as a worker does: what is postponed comes again, alone, after a new event of each table.
 * @returns the refusals, by key
 */
async function deliverAll(
  bare: Sink<Item>,
  batches: readonly (readonly Item[])[],
  onRetry: (error: TransientError) => void = () => undefined,
): Promise<Map<number, string>> {
  const sink = watched(bare, newWorkerStats())
  const refused = new Map<number, string>()
  const queue = [...batches]
  let fresh = 0
  for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
    const { rejected, postponed } = await outcomeOf(sink, batch, onRetry)
    for (const [{ key }, { message }] of rejected) refused.set(key, message)
    for (const item of postponed.keys()) {
      for (const table of ['t', 'u']) queue.push([{ key: 100_000 + fresh++, table }])
      queue.push([item])
    }
  }
  return refused
}

async function outcomeOf(
  sink: Sink<Item>,
  batch: readonly Item[],
  onRetry: (error: TransientError) => void,
): Promise<Pick<BatchError<Item>, 'rejected' | 'postponed'>> {
  try {
    await persist(() => sink.write(batch, NEVER), onRetry)
    return new BatchError(new Map())
  } catch (error) {
    if (error instanceof BatchError) return error
    throw error
  }
}

const code = fc.constantFrom('A', 'B')
const table = fc.constantFrom('t', 'u')

it('rejects the guilty and nobody else, in few writes', async () => {
  const property = fc.asyncProperty(
    fc.integer({ min: 8, max: 200 }),
    fc.dictionary(fc.nat(199).map(String), code, { maxKeys: 5 }),
    async (size, codes) => {
      const { sink, stored, state } = storeWith([])
      const items = Array.from({ length: size }, (_, key) => ({ key, table: 't', code: codes[key] }))
      const guilty = items.filter((item) => item.code !== undefined)
      const refused = await deliverAll(sink, [items])
      expect(refused).toEqual(new Map(guilty.map((item) => [item.key, `refused by ${item.code}`])))
      expect(items.filter(({ key }) => stored.has(key))).toHaveLength(size - guilty.length)
      const first = 3
      expect(state.writes).toBeLessThanOrEqual(
        first + 3 + 2 + guilty.length * (2 * Math.ceil(Math.log2(size)) + 4),
      )
    },
  )
  await fc.assert(property, { numRuns: 200 })
})

it('an outage of any kind, whenever it comes, makes no dead letter of an innocent item', async () => {
  const outage = fc.record({
    begin: fc.nat(40),
    length: fc.integer({ min: 1, max: 25 }),
    code: fc.option(code, { nil: undefined }),
    table: fc.option(table, { nil: undefined }),
    onlyNews: fc.boolean(),
  })
  const items = fc.uniqueArray(
    fc.record({ key: fc.nat(99), table, code: fc.option(code, { nil: undefined, freq: 8 }) }),
    { selector: ({ key }) => key, minLength: 1, maxLength: 30 },
  )
  const property = fc.asyncProperty(
    outage,
    fc.array(items, { minLength: 1, maxLength: 3 }),
    async (drawn, batches) => {
      const { begin, length } = drawn
      const { sink, stored } = storeWith([{ ...drawn, end: begin + length }])
      const events = batches.map((batch, turn) =>
        // Innocent events of earlier batches are delivered again.
        batch.map((item) => ({
          ...item,
          key: item.key + (item.table === 't' ? 0 : 100) + (item.code === undefined ? 0 : 1_000 * (turn + 1)),
        })),
      )
      const refused = await deliverAll(sink, events)
      const all = events.flat()
      const innocent = all.filter((item) => item.code === undefined)
      expect(innocent.filter(({ key }) => refused.has(key))).toEqual([])
      expect(innocent.filter(({ key }) => !stored.has(key))).toEqual([])
      const guilty = all.filter((item) => item.code !== undefined)
      expect(refused).toEqual(new Map(guilty.map((item) => [item.key, `refused by ${item.code}`])))
    },
  )
  await fc.assert(property, { numRuns: 1_000 })
})

it('a batch that nothing can be written of is an outage', async () => {
  const { sink } = storeWith([{ begin: 0, end: Number.POSITIVE_INFINITY, code: undefined }])
  const items = Array.from({ length: 20 }, (_, key) => ({ key, table: 't' }))
  let attempts = 0
  const onRetry = () => {
    if (++attempts === 50) throw new Error('enough')
  }
  await expect(deliverAll(sink, [items], onRetry)).rejects.toThrow('enough')
})

it('a store that does not answer judges nobody', async () => {
  const { sink } = storeWith([])
  const away: Sink<Item> = {
    ...sink,
    ping: async () => {
      throw new TransientError('no answer')
    },
  }
  const errors: string[] = []
  const onRetry = ({ message }: TransientError) => {
    errors.push(message)
    if (errors.length === 50) throw new Error('enough')
  }
  const items = [0, 1].map((key) => ({ key, table: 't', code: ['A'][key] }))
  await expect(deliverAll(away, [items], onRetry)).rejects.toThrow('enough')
  expect(errors).toEqual([...Array(3).fill('it fails by A'), ...Array(47).fill('no answer')])
})

it('the store is away in the middle of a trial: nothing is rejected then, and the guilty one afterwards', async () => {
  // The first three are of the whole batch.
  for (let begin = 3; begin < 20; begin++) {
    const { sink, stored } = storeWith([{ begin, end: begin + 3, code: undefined }])
    const items = Array.from({ length: 32 }, (_, key) => ({
      key,
      table: 't',
      code: key === 7 ? 'A' : undefined,
    }))
    expect([...(await deliverAll(sink, [items])).keys()]).toEqual([7])
    expect(stored.size).toBe(31)
  }
})

it('what a sink refuses for good meanwhile is refused', async () => {
  const { sink } = storeWith([])
  const picky: Sink<Item> = {
    ...sink,
    write: async (items, ...rest) => {
      await sink.write(
        items.filter(({ code }) => code !== 'final'),
        ...rest,
      )
      const refused = items.filter(({ code }) => code === 'final')
      if (refused.length > 0)
        throw new BatchError(
          new Map(refused.map((item) => [item, new RejectedError('refused_by_store', 'final')])),
        )
    },
  }
  const items = Array.from({ length: 10 }, (_, key) => ({ key, table: 't', code: ['final', 'A'][key] }))
  expect(await deliverAll(picky, [items])).toEqual(
    new Map([
      [0, 'final'],
      [1, 'refused by A'],
    ]),
  )
})

it('what is written again and changes nothing proves nothing', async () => {
  const old = Array.from({ length: 8 }, (_, key) => ({ key, table: 't' }))
  const news = { key: 8, table: 't' }
  const { sink, stored } = storeWith([{ begin: 1, end: 40, code: 'A', onlyNews: true }])
  expect(await deliverAll(sink, [old, [...old, news]])).toEqual(new Map())
  expect(stored.has(8)).toBe(true)
})

it('any number of slow items up to a half of the batch keep the others waiting for less than 5 s', async () => {
  const [fullMs, mostMs, size] = [2_500, 5_000, 500]
  const slowOnes = fc.oneof(fc.integer({ max: 250, min: 1 }), fc.constantFrom(18, 20, 100, 250))
  const property = fc.asyncProperty(slowOnes, fc.nat(), async (count, seed) => {
    const { sink } = storeWith([])
    const places = Array.from({ length: size }, (_, key) => key)
    const rank = (key: number) => Math.imul(key + 1, 0x9e3779b1 + 2 * seed) >>> 0
    const slow = new Set(places.sort((a, b) => rank(a) - rank(b)).slice(0, count))
    const begun = performance.now()
    const written = new Map<number, number>()
    const limited: Sink<Item> = {
      ...sink,
      write: async (items, signal, report, limitMs = fullMs) => {
        if (items.some(({ key }) => slow.has(key))) {
          vi.advanceTimersByTime(limitMs)
          throw errorOf('slow')
        }
        await sink.write(items, signal, report)
        for (const { key } of items) written.set(key, performance.now() - begun)
      },
    }
    const items = Array.from({ length: size }, (_, key) => ({ key, table: 't' }))
    const { rejected } = await outcomeOf(watched(limited, newWorkerStats()), items, () => undefined)
    expect([...rejected.keys()].every(({ key }) => slow.has(key))).toBe(true)
    expect(written.size).toBe(size - count)
    expect(Math.max(...written.values())).toBeLessThan(mostMs)
  })
  await fc.assert(property, { numRuns: 50 })
})

it('items that are slow only together, or in less than the full time, are not rejected', async () => {
  const [fullMs, costMs] = [2_500, 400]
  const { sink, stored } = storeWith([])
  const slow: Sink<Item> = {
    ...sink,
    write: async (items, signal, report, limitMs = fullMs) => {
      const neededMs = costMs * items.filter(({ code }) => code === 'slow').length
      vi.advanceTimersByTime(Math.min(neededMs, limitMs))
      if (neededMs > limitMs) throw errorOf('timeout')
      await sink.write(
        items.map(({ key, table }) => ({ key, table })),
        signal,
        report,
      )
    },
  }
  const items = Array.from({ length: 64 }, (_, key) => ({
    key,
    table: 't',
    code: key % 8 === 7 ? 'slow' : undefined,
  }))
  expect(await deliverAll(slow, [items])).toEqual(new Map())
  expect(stored.size).toBeGreaterThanOrEqual(64)
})

it('goes on after an outage in which as many items were postponed as may be', async () => {
  const { sink, stored } = storeWith([{ begin: 0, end: 15_000, code: 'A' }])
  const judging = watched(sink, newWorkerStats())
  const postponed: Item[] = []
  let attempts = 0
  for (let key = 0; key < 1_010; key++) {
    const outcome = await outcomeOf(judging, [{ key, table: 't' }], () => {
      if (++attempts > 50_000) throw new Error('it never ends')
    })
    expect(outcome.rejected.size).toBe(0)
    postponed.push(...outcome.postponed.keys())
  }
  for (const item of postponed) await outcomeOf(judging, [item], () => undefined)
  expect(stored.size).toBe(1_010)
})

it('a worker whose suspect another worker has taken over counts as well again', async () => {
  const { sink } = storeWith([])
  const reads: number[] = []
  const stats = newWorkerStats()
  const comparison = sink.comparison
  const judging = watched<Item>(
    {
      ...sink,
      ...(comparison && {
        comparison: {
          ...comparison,
          newsAmong: (items, signal) => {
            reads.push(items.length)
            return comparison.newsAmong(items, signal)
          },
        },
      }),
    },
    stats,
  )
  const away = await outcomeOf(judging, [{ key: 1, table: 't', code: 'A' }], () => undefined)
  expect(away.postponed.size).toBe(1)
  await judging.write([{ key: 2, table: 'u' }], NEVER)
  expect(stats.failing).toBeDefined()
  vi.advanceTimersByTime(3_600_000)
  await judging.write([{ key: 3, table: 'u' }], NEVER)
  expect(stats.failing).toBeUndefined()
  reads.length = 0
  await judging.write([{ key: 4, table: 'u' }], NEVER)
  expect(reads).toEqual([])
})

describe('after a write of which it is not known what it has written, writing again proves nothing', () => {
  // One item is stored by a write that fails. The table takes nothing else that is new.
  it.each([
    ['a store that may write some items of a write that fails', false, 0, errorOf('B')],
    ['a write that was interrupted', true, 2, errorOf(undefined)],
  ])('%s', async (_, isAtomic, stranded, error) => {
    const { sink, stored } = storeWith([])
    if (sink.comparison === undefined) throw new Error('the store compares')
    let [interrupted, writes] = [false, 0]
    const odd: Sink<Item> = {
      ...sink,
      comparison: { ...sink.comparison, isAtomic },
      write: async (items) => {
        writes++
        if (items.some(({ key }) => key === 9)) throw errorOf('B')
        const isNew = items.some(({ key }) => !stored.has(key))
        if (items.some(({ key }) => key === stranded) && !interrupted) {
          interrupted = true
          for (const { key } of items) stored.add(key)
          throw error
        }
        if (isNew) throw errorOf('B')
      },
    }
    const items = [0, 1, 2, 9].map((key) => ({ key, table: 't' }))
    const { rejected } = await outcomeOf(watched(odd, newWorkerStats()), items, () => undefined)
    expect(writes).toBeGreaterThan(4)
    expect(stored.size).toBeGreaterThan(0)
    expect([...rejected.keys()]).toEqual([])
  })
})
