import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it } from 'vitest'
import type { Entry } from '../../src/stream/entry.js'
import { InFlightEntries } from '../../src/stream/in-flight.js'
import { connectRedis, createRedis } from '../../src/stream/redis.js'
import { newEntry } from '../support/entries.js'
import { startProxy } from '../support/proxy.js'
import { readBatches, streamsOfThisFile, type TestStream, until } from '../support/stream.js'

const LEASE_MS = 800

const streams = streamsOfThisFile()

const some = (count: number) => Array.from({ length: count }, (_, i) => newEntry('cdc', { i }))
const ids = (entries: readonly Entry[]) => entries.map(({ id }) => id)
const settled = (entries: readonly Entry[]) => entries.map((entry) => ({ entry, letters: [] }))

/** How often each pending entry has been delivered. */
async function deliveries({ redis, first, group }: TestStream): Promise<number[]> {
  const rows = (await redis.xpending(first.events, group, '-', '+', 1_000)) as [
    string,
    string,
    number,
    number,
  ][]
  return rows.map(([, , , times]) => times)
}

describe.concurrent('what a consumer has read', () => {
  it('is taken over after its lease where the consumer is dead, and not before', async () => {
    const stream = await streams()
    const { producer, join, pending } = stream
    const dead = await join({ leaseMs: LEASE_MS })
    const heir = await join({ leaseMs: LEASE_MS })
    const { ids: places } = await producer.append(some(5))
    const began = performance.now()
    await readBatches(dead.consumer, 5)
    dead.crash()
    const entries = (await readBatches(heir.consumer, 5, 8_000)).flat()
    expect(performance.now() - began).toBeGreaterThan(LEASE_MS)
    expect(ids(entries)).toEqual(places)
    expect(entries.map(({ body }) => body.toString())).toEqual(some(5).map(({ body }) => body.toString()))
    expect(await deliveries(stream)).toEqual([2, 2, 2, 2, 2])
    await heir.consumer.acknowledge(settled(entries))
    expect(await pending()).toBe(0)
  })

  it('stays its own as long as it works on it: leases are renewed, deliveries not counted', async () => {
    const stream = await streams()
    const { producer, join, pending } = stream
    const busy = await join({ leaseMs: LEASE_MS })
    const rival = await join({ leaseMs: LEASE_MS })
    await producer.append(some(5))
    const entries = (await readBatches(busy.consumer, 5)).flat()
    expect((await readBatches(rival.consumer, 1, 3 * LEASE_MS)).flat()).toEqual([])
    expect(await deliveries(stream)).toEqual([1, 1, 1, 1, 1])
    await busy.consumer.acknowledge(settled(entries))
    expect(await pending()).toBe(0)
  })

  it('is found behind any number of entries that others work on', async () => {
    const { producer, join } = await streams()
    const busy = await join({ leaseMs: LEASE_MS })
    const dead = await join({ leaseMs: LEASE_MS })
    await producer.append(some(40))
    await readBatches(busy.consumer, 40)
    const { ids: places } = await producer.append(some(2))
    await readBatches(dead.consumer, 2)
    dead.crash()
    // A scan with COUNT 2 looks at twenty entries.
    const heir = await join({ leaseMs: LEASE_MS, batch: 2 })
    const began = performance.now()
    expect(ids((await readBatches(heir.consumer, 2, 20_000)).flat())).toEqual(places)
    expect(performance.now() - began).toBeGreaterThan(LEASE_MS / 2)
  })

  it('is taken over from all partitions, one by one', async () => {
    const { producer, join } = await streams({ partitions: 4 })
    const dead = await join({ leaseMs: LEASE_MS })
    for (let call = 0; call < 4; call++) await producer.append(some(10))
    await readBatches(dead.consumer, 40)
    dead.crash()
    await sleep(LEASE_MS)
    const heir = await join({ leaseMs: LEASE_MS, batch: 8 })
    const batches = await readBatches(heir.consumer, 40, 8_000)
    expect(batches.map((batch) => batch.length)).toEqual(Array(40).fill(1))
    expect(new Set(batches.flat().map(({ partition, id }) => `${partition}/${id}`)).size).toBe(40)
  })

  it('is taken over alone: its neighbours keep their idle time, and their number of deliveries', async () => {
    const stream = await streams()
    const { producer, join } = stream
    const dead = await join({ leaseMs: LEASE_MS })
    await producer.append(some(5))
    await readBatches(dead.consumer, 5)
    dead.crash()
    await sleep(LEASE_MS)
    for (let heirs = 1; heirs <= 3; heirs++) {
      const heir = await join({ leaseMs: LEASE_MS })
      // Each dies of the first that it gets; the next need not wait for the others.
      expect(await heir.consumer.claim()).toMatchObject({ deliveries: 1 })
      heir.crash()
    }
    expect(await deliveries(stream)).toEqual([2, 2, 2, 1, 1])
  })

  it('is not counted as delivered once it is absolved', async () => {
    const stream = await streams()
    const { producer, join } = stream
    const dead = await join({ leaseMs: LEASE_MS })
    await producer.append(some(1))
    await readBatches(dead.consumer, 1)
    dead.crash()
    await sleep(LEASE_MS)
    const heir = await join({ leaseMs: LEASE_MS })
    const stale = await heir.consumer.claim()
    if (!stale) throw new Error('nothing was taken over')
    expect(await deliveries(stream)).toEqual([2])
    await heir.consumer.resetDeliveryCount(stale)
    expect(await deliveries(stream)).toEqual([1])
    await heir.consumer.acknowledge(settled([stale.entry]))
    expect(await stream.pending()).toBe(0)
  })

  it('stays with who has taken it over, though the one that slept wakes up', async () => {
    const stream = await streams()
    const { producer, join, redis, first, group } = stream
    const sleeper = await join({ leaseMs: LEASE_MS })
    await producer.append(some(1))
    const [read] = (await readBatches(sleeper.consumer, 1)).flat()
    // As if it had been stopped for a lease: another is given what it holds, and it goes on to renew.
    await redis.call('XCLAIM', first.events, group, 'another', '0', read?.id ?? '')
    await sleep(LEASE_MS)
    const [row] = (await redis.xpending(first.events, group, '-', '+', 1)) as [string, string][]
    expect(row?.[1]).toBe('another')
  })
})

describe.concurrent('a reply that was lost', () => {
  it('is fetched after a reconnect, long before the lease is over, and counts as the first delivery', async () => {
    const stream = await streams()
    const { producer, join, redis, first, group } = stream
    const { consumer, reader } = await join({ leaseMs: 600_000 })
    const { ids: held } = await producer.append(some(2))
    expect(ids((await readBatches(consumer, 2)).flat())).toEqual(held)
    const { ids: places } = await producer.append(some(2_500))
    // What ioredis does when a connection breaks at the wrong moment: the entries are delivered, and no consumer gets them.
    await redis.call(
      'XREADGROUP',
      'GROUP',
      group,
      consumer.name,
      'COUNT',
      3_000,
      'STREAMS',
      first.events,
      '>',
    )
    reader.disconnect(true)
    expect(ids((await readBatches(consumer, 2_500, 8_000)).flat())).toEqual(places)
    expect(new Set(await deliveries(stream))).toEqual(new Set([1]))
  })

  it('is fetched where the connection falls silent, too: only the silence shows it', async () => {
    const { producer, join } = await streams()
    const { hostname, port } = new URL(inject('services').redisUrl)
    const proxy = await startProxy({ host: hostname, port: Number(port) })
    const reader = createRedis(`redis://127.0.0.1:${proxy.port}`, 'patient', () => undefined)
    await connectRedis(reader)
    const { consumer } = await join({ reader, leaseMs: 600_000 })
    const reading = readBatches(consumer, 3, 30_000)
    await sleep(100)
    proxy.dropReplies()
    const { ids: places } = await producer.append(some(3))
    await until(() => reader.status !== 'ready', 15_000)
    proxy.restore()
    expect(ids((await reading).flat())).toEqual(places)
    reader.disconnect()
    await proxy.close()
  })

  it('is fetched though the group has to be made anew in between', async () => {
    const { producer, join, redis, first } = await streams()
    const { consumer, reader } = await join()
    reader.disconnect(true)
    await redis.del(first.events)
    const { ids: places } = await producer.append(some(3))
    expect(ids((await readBatches(consumer, 3, 8_000)).flat())).toEqual(places)
  })
})

describe.concurrent('a consumer that is gone', () => {
  it('is removed from the group once it holds nothing', async () => {
    const { producer, join, redis, first, group, pending } = await streams()
    const names = async () =>
      ((await redis.xinfo('CONSUMERS', first.events, group)) as string[][]).map((member) => member[1])
    const [empty, holding] = [await join(), await join()]
    await producer.append(some(1))
    await empty.consumer.acknowledge(settled((await readBatches(empty.consumer, 1)).flat()))
    await producer.append(some(1))
    await readBatches(holding.consumer, 1)
    for (const member of [empty, holding]) member.crash()
    await sleep(100)
    const reaper = await join({ goneMs: 100 })
    await readBatches(reaper.consumer, 1, 500)
    expect(await names()).toEqual([holding.consumer.name])
    expect(await pending()).toBe(1)
  })
})

describe('what a busy process has read', () => {
  it('is not given to it twice, though its own lease could not be renewed in time', async () => {
    const { producer, join } = await streams()
    const { consumer, commands } = await join({ leaseMs: LEASE_MS })
    await producer.append(some(3))
    expect((await readBatches(consumer, 3)).flat()).toHaveLength(3)
    commands.disconnect(true)
    const blocked = performance.now() + 2 * LEASE_MS
    while (performance.now() < blocked); // a process that hangs renews nothing
    expect((await readBatches(consumer, 1, 2 * LEASE_MS)).flat()).toEqual([])
  })

  it('is renewed however much it is', async () => {
    const { producer, join, redis, first, group, keys: partitions } = await streams()
    const { consumer } = await join()
    await producer.append(some(1))
    const [read] = (await readBatches(consumer, 1)).flat()
    if (!read) throw new Error('no entry')
    const held = new InFlightEntries({ redis, partitions, group, consumer: consumer.name, leaseMs: LEASE_MS })
    held.add(Array.from({ length: 150_000 }, (_, i) => ({ ...read, id: `1-${i}` })))
    held.add([read])
    let idle = 0
    await until(async () => {
      const [row] = (await redis.xpending(first.events, group, '-', '+', 1)) as [string, string, number][]
      const before = idle
      idle = row?.[2] ?? 0
      return idle < before
    })
    held.close()
  })
})
