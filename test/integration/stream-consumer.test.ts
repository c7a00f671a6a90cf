import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../src/stream/entry.js'
import { newEntry } from '../support/entries.js'
import { readBatches, streamsOfThisFile, until } from '../support/stream.js'

const streams = streamsOfThisFile()

const some = (count: number, bytes = 20) =>
  Array.from({ length: count }, () => newEntry('cdc', randomBytes(bytes)))
const settled = (entries: readonly Entry[]) => entries.map((entry) => ({ entry, letters: [] }))
const ids = (entries: readonly Entry[]) => entries.map(({ id }) => id)
const going = new AbortController().signal

describe.concurrent('a consumer', () => {
  it('reads what was appended, byte by byte and in order, until it is settled', async () => {
    const { producer, join, pending, redis, first } = await streams()
    const sent = [
      newEntry('cdc', Buffer.of(0, 0xff, 0xed, 0xa0, 0x80, 10, 13)),
      newEntry('', Buffer.alloc(0)),
      { ...newEntry('data-action', '{"é":"😀"}'), delivery: 'délivery', trace: '00-abc-def-01' },
      ...some(40, 700),
    ]
    const { partition, ids: places } = await producer.append(sent)
    const { consumer } = await join()
    const entries = (await readBatches(consumer, sent.length)).flat()
    expect(entries).toEqual(sent.map((entry, i) => ({ ...entry, partition, id: places[i] })))
    expect(await pending()).toBe(sent.length)
    await consumer.acknowledge(settled(entries.slice(0, 3)))
    expect(await pending()).toBe(sent.length - 3)
    await consumer.acknowledge(settled(entries))
    expect(await pending()).toBe(0)
    expect(await redis.xlen(first.events)).toBe(sent.length)
  })

  it('begins at the start of the stream, and creates its group any number of times', async () => {
    const { producer, join } = await streams()
    const { ids: places } = await producer.append(some(3))
    const { consumer } = await join()
    await consumer.createGroups()
    expect(ids((await readBatches(consumer, 3)).flat())).toEqual(places)
  })

  it('reads every partition, and settles in each', async () => {
    const { producer, join, pending, keys } = await streams({ partitions: 4 })
    const places: string[] = []
    for (let call = 0; call < 8; call++) {
      const { partition, ids: own } = await producer.append(some(5))
      places.push(...own.map((id) => `${partition} ${id}`))
    }
    const { consumer } = await join()
    const entries = (await readBatches(consumer, 40)).flat()
    expect(entries.map(({ partition, id }) => `${partition} ${id}`).sort()).toEqual([...places].sort())
    expect(new Set(entries.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2, 3]))
    await consumer.acknowledge(settled(entries))
    expect(await pending()).toBe(0)
    expect(keys.map(({ events }) => events.replace(/^\w+/, ''))).toEqual(
      [0, 1, 2, 3].map((n) => `:{${n}}:events`),
    )
  })

  it('shares with its group', async () => {
    const { producer, join } = await streams()
    const [a, b] = [await join({ batch: 10 }), await join({ batch: 10 })]
    const { ids: places } = await producer.append(some(60))
    const [left, right] = await Promise.all([a, b].map(({ consumer }) => readBatches(consumer, 30)))
    const all = [left, right].flatMap((batches) => ids((batches ?? []).flat()))
    expect(all.sort()).toEqual([...places].sort())
  })

  it('has a name of its own', async () => {
    const { join } = await streams()
    const members = await Promise.all(Array.from({ length: 5 }, () => join()))
    expect(new Set(members.map(({ consumer }) => consumer.name)).size).toBe(5)
  })

  it('bounds a batch by its bytes, also the first, and grows it again', async () => {
    const { producer, join } = await streams()
    for (let i = 0; i < 10; i++) await producer.append(some(2, 1024 * 1024))
    for (let i = 0; i < 4; i++) await producer.append(some(50, 10))
    const { consumer } = await join({ batch: 200 })
    const sizes = (await readBatches(consumer, 220)).map((batch) => batch.length)
    expect(Math.max(...sizes.slice(0, 2))).toBeLessThanOrEqual(16)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(220)
    expect(sizes.length).toBeLessThan(6)
  })

  it('waits for a fuller batch for the linger time, and no longer than needed', async () => {
    const { producer, join } = await streams()
    // Longer than a test may take: it ends because the batch is full.
    const patient = await join({ batch: 10, lingerMs: 600_000 })
    await producer.append(some(4))
    const reading = patient.consumer.read(going)
    await sleep(100)
    await producer.append(some(3))
    await sleep(100)
    await producer.append(some(9))
    expect(await reading).toHaveLength(10)
    const { consumer } = await join({ batch: 10, lingerMs: 1_500 })
    const began = performance.now()
    expect(await consumer.read(going)).toHaveLength(6)
    expect(performance.now() - began).toBeGreaterThan(1_400)
  })

  it('stops, and does not wait for a fuller batch then', async () => {
    const { producer, join } = await streams()
    // Longer than a test may take: it ends because it is stopped.
    const { consumer } = await join({ lingerMs: 600_000 })
    await producer.append(some(2))
    const stop = new AbortController()
    const reading = consumer.read(stop.signal)
    await sleep(100)
    stop.abort()
    expect(await reading).toHaveLength(2)
    expect(await consumer.read(stop.signal)).toEqual([])
  })

  it('leaves the group only when nothing is pending with it', async () => {
    const { producer, join, redis, first, group, pending } = await streams()
    const names = async () =>
      ((await redis.xinfo('CONSUMERS', first.events, group)) as string[][]).map((member) => member[1])
    const [busy, idle] = [await join(), await join()]
    await producer.append(some(1))
    await idle.consumer.acknowledge(settled((await readBatches(idle.consumer, 1)).flat()))
    await producer.append(some(2))
    await readBatches(busy.consumer, 2)
    expect((await names()).sort()).toEqual([busy.consumer.name, idle.consumer.name].sort())
    await idle.consumer.close()
    await busy.consumer.close()
    expect(await names()).toEqual([busy.consumer.name])
    expect(await pending()).toBe(2)
    await redis.del(first.events)
    await busy.consumer.close()
  })
})

describe.concurrent('a consumer goes on', () => {
  it('when its stream and group are gone', async () => {
    const { producer, join, redis, first } = await streams()
    const { consumer } = await join()
    const reading = readBatches(consumer, 3, 8_000)
    await sleep(100)
    await redis.del(first.events)
    await sleep(100)
    const { ids: places } = await producer.append(some(3))
    expect(ids((await reading).flat())).toEqual(places)
    await redis.del(first.events)
    const { ids: more } = await producer.append(some(2))
    expect(ids((await readBatches(consumer, 2)).flat())).toEqual(more)
  })

  it('when its connection is cut while it waits', async () => {
    const { producer, join, redis } = await streams()
    const { consumer, reader, commands } = await join()
    const clients = [await reader.client('ID'), await commands.client('ID')]
    const reading = readBatches(consumer, 3, 8_000)
    await sleep(100)
    for (const id of clients) expect(await redis.client('KILL', 'ID', id)).toBe(1)
    const { ids: places } = await producer.append(some(3))
    const entries = (await reading).flat()
    expect(ids(entries)).toEqual(places)
    await consumer.acknowledge(settled(entries))
  })

  it('when Redis has forgotten the scripts', async () => {
    const { producer, join, redis, letters, pending } = await streams()
    const { consumer } = await join()
    const letter = {
      reason: 'invalid_event' as const,
      message: 'm',
      errors: [],
      sink: 's',
      source: 'cdc',
      entry: '',
      index: 0,
      receivedAt: 1,
      delivery: '',
      trace: '',
      attempts: 1,
      firstAt: 1,
      body: Buffer.from('b'),
    }
    for (let round = 1; round <= 3; round++) {
      await producer.append(some(1))
      const [entry] = (await readBatches(consumer, 1)).flat()
      if (!entry) throw new Error('no entry')
      await consumer.acknowledge([{ entry, letters: [letter] }])
      expect([await pending(), (await letters()).length]).toEqual([0, round])
      await redis.script('FLUSH')
    }
  })

  it('with what it had read when the wait for a fuller batch fails', async () => {
    const { producer, join, redis, first } = await streams()
    const { consumer } = await join({ lingerMs: 3_000 })
    const { ids: places } = await producer.append(some(2))
    const reading = consumer.read(going)
    await sleep(200)
    await redis.del(first.events) // the blocked read ends with an error
    await until(async () => (await Promise.race([reading, sleep(5, 'not yet')])) !== 'not yet', 5_000)
    expect(ids(await reading)).toEqual(places)
  })
})

// Alone: it blocks the process for a while.
describe('a busy consumer', () => {
  it('settles any number of entries at once', async () => {
    const { join } = await streams()
    const { consumer } = await join()
    const many = Array.from({ length: 150_000 }, (_, i) => ({
      ...newEntry('cdc', ''),
      partition: 0,
      id: `1-${i}`,
    }))
    await expect(consumer.acknowledge(settled(many))).resolves.toBeUndefined()
  })
})
