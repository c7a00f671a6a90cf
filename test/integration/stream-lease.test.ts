import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Entry } from '../../src/stream/entry.js'
import { HeldEntries } from '../../src/stream/lease.js'
import { newEntry } from '../support/entries.js'
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
    await heir.consumer.settle(settled(entries))
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
    await busy.consumer.settle(settled(entries))
    expect(await pending()).toBe(0)
  })

  it('comes back to it where the reply of the read was lost', async () => {
    const { producer, join, redis, first, group } = await streams()
    const { consumer } = await join({ leaseMs: LEASE_MS })
    const { ids: places } = await producer.append(some(3))
    // What ioredis does when a connection breaks at the wrong moment: the entries are delivered to nobody.
    await redis.call('XREADGROUP', 'GROUP', group, consumer.name, 'COUNT', '10', 'STREAMS', first.events, '>')
    expect(ids((await readBatches(consumer, 3, 8_000)).flat())).toEqual(places)
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

  it('is taken over from all partitions, in batches of the usual size', async () => {
    const { producer, join } = await streams({ partitions: 4 })
    const dead = await join({ leaseMs: LEASE_MS })
    for (let call = 0; call < 4; call++) await producer.append(some(10))
    await readBatches(dead.consumer, 40)
    dead.crash()
    await sleep(LEASE_MS)
    const heir = await join({ leaseMs: LEASE_MS, batch: 8 })
    const batches = await readBatches(heir.consumer, 40, 8_000)
    expect(batches.flat()).toHaveLength(40)
    expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(8)
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
    const held = new HeldEntries({ redis, partitions, group, consumer: consumer.name, leaseMs: LEASE_MS })
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
