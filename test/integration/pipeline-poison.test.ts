import { describe, expect, it } from 'vitest'
import { TransientError } from '../../src/errors.js'
import type { Change } from '../../src/sinks/sink.js'
import { newEntry } from '../support/entries.js'
import { type MemorySink, memorySink } from '../support/memory-sink.js'
import { readBatches, streamsOfThisFile, type TestStream, until } from '../support/stream.js'
import { MAX_DELIVERIES, work } from '../support/worker.js'

const streams = streamsOfThisFile()
const contact = (id: string) =>
  newEntry('cdc', {
    webhookId: 'w',
    eventType: 'contact.created',
    timestamp: '2025-11-22T03:00:00Z',
    eventData: { id },
  })
const has = (changes: readonly Change[], key: string) => changes.some((change) => change.key === key)

/** One worker after the other, each until it ends, until everything is acknowledged. @returns how many it took */
async function relay(stream: TestStream, sink: MemorySink): Promise<number> {
  for (let workers = 1; ; workers++) {
    const { ended, stop, stats, crash } = await work(stream, sink)
    const idle = until(async () => stats.acknowledged > 0 && (await stream.pending()) === 0, 20_000)
    const isDone = await Promise.race([idle.then(() => true), ended.catch(() => false)])
    idle.catch(() => undefined)
    stop.abort()
    await ended.catch(() => undefined)
    crash()
    if (isDone) return workers
  }
}

describe.concurrent('an entry that ends its worker', () => {
  it('is a dead letter after MAX_DELIVERIES, and its neighbours are delivered', async () => {
    const stream = await streams()
    const { ids } = await stream.producer.append([...'abcdefgh'].map(contact))
    const aloneWith: number[] = []
    const sink = memorySink({
      before: (changes) => {
        if (!has(changes, 'd')) return
        aloneWith.push(changes.length)
        throw new TypeError('it ends the worker')
      },
    })
    // The last of them only buries it.
    expect(await relay(stream, sink)).toBe(MAX_DELIVERIES + 1)
    expect(aloneWith).toEqual([7, ...Array(MAX_DELIVERIES - 1).fill(1)])
    expect([...sink.stored.keys()].sort()).toEqual([...'abcefgh'].map((id) => `contacts ${id}`))
    expect(await stream.letters()).toEqual([
      expect.objectContaining({
        reason: 'poison',
        message: expect.stringContaining(`delivered ${MAX_DELIVERIES} times`),
        sink: 'memory',
        entry: `0/${ids[3]}`,
        index: '',
        body: contact('d').body.toString(),
      }),
    ])
  })

  it('harms no other entry: two of them in one batch do not dead-letter a third', async () => {
    const stream = await streams()
    await stream.producer.append([...'abcdefgh'].map(contact))
    const sink = memorySink({
      before: (changes) => {
        if (has(changes, 'b') || has(changes, 'c')) throw new TypeError('it ends the worker')
      },
    })
    await relay(stream, sink)
    expect(sink.stored.size).toBe(6)
    const letters = await stream.letters()
    const bodies = letters.map(({ body }) => body).sort()
    expect(bodies).toEqual(['b', 'c'].map((id) => contact(id).body.toString()))
  })
})

describe.concurrent('an entry whose workers are killed', () => {
  it('while the store is away is never dead-lettered', async () => {
    const stream = await streams()
    await stream.producer.append([contact('a')])
    let away = true
    const sink = memorySink({
      before: () => {
        if (away) throw new TransientError('the store is down')
      },
    })
    for (let killed = 0; killed < MAX_DELIVERIES + 2; killed++) {
      const { stats, crash, giveUp, ended } = await work(stream, sink)
      await until(() => stats.retries >= 2)
      crash()
      giveUp.abort(new Error('killed'))
      await ended.catch(() => undefined)
    }
    away = false
    await relay(stream, sink)
    expect(await stream.letters()).toEqual([])
    expect(sink.stored.size).toBe(1)
  })
})

describe.concurrent('what another has left behind', () => {
  it('does not keep fresh entries waiting, however much it is', async () => {
    const stream = await streams()
    const dead = await stream.join()
    await stream.producer.append(Array.from({ length: 600 }, (_, i) => contact(`old-${i}`)))
    expect((await readBatches(dead.consumer, 600)).flat()).toHaveLength(600)
    dead.crash()
    const order: string[] = []
    const sink = memorySink({
      before: async (changes) => {
        order.push(...changes.map(({ key }) => key))
        await new Promise((resolve) => setTimeout(resolve, 2))
      },
    })
    const { stats, stop, ended } = await work(stream, sink, { leaseMs: 500, batch: 100 })
    await until(() => order.some((key) => key.startsWith('old-')))
    await stream.producer.append(Array.from({ length: 50 }, (_, i) => contact(`fresh-${i}`)))
    await until(() => stats.acknowledged === 650, 30_000)
    stop.abort()
    await ended
    const lastFresh = order.findLastIndex((key) => key.startsWith('fresh-'))
    const behind = order.slice(lastFresh).filter((key) => key.startsWith('old-'))
    expect(behind.length).toBeGreaterThan(100)
    expect(new Set(order).size).toBe(650)
  })
})
