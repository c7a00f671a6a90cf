import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Service } from '../../src/dev/services/service.js'
import { NO_GROUP, readBacklog } from '../../src/edge/backlog.js'
import { findWeaknesses, readMemory } from '../../src/stream/memory.js'
import { newEntry } from '../support/entries.js'
import { memorySink } from '../support/memory-sink.js'
import { ownServers } from '../support/own.js'
import { openStream, streamsOfThisFile, type TestStream, until } from '../support/stream.js'
import { work } from '../support/worker.js'

const streams = streamsOfThisFile()
const NONE: ReadonlySet<string> = new Set()
const entry = newEntry('cdc', { pad: 'x'.repeat(500) })

/** Appends `count` entries, spread evenly over the partitions. @returns the ids of the first partition */
async function append({ producer }: TestStream, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let left = count; left > 0; left -= 100) {
    const appended = await producer.append(Array(Math.min(100, left)).fill(entry))
    if (appended.partition === 0) ids.push(...appended.ids)
  }
  return ids
}

const read = ({ redis }: TestStream, key: string, group: string, count: number) =>
  redis.xreadgroup('GROUP', group, 'c', 'COUNT', count, 'STREAMS', key, '>')

describe('the backlog', () => {
  it('is nothing before the first request, and everything while there is no group', async () => {
    const stream = await streams()
    expect(await readBacklog(stream.redis, stream.keys, NONE)).toMatchObject({ bytes: 0 })
    await append(stream, 500)
    await sleep(50)
    const { bytes, groups } = await readBacklog(stream.redis, stream.keys, NONE)
    expect(groups).toMatchObject([{ group: NO_GROUP, entries: 500, bytes }])
    expect(bytes).toBe(Number(await stream.redis.call('MEMORY', 'USAGE', stream.first.events)))
    expect(groups[0]?.ageMs).toBeGreaterThanOrEqual(50)
  })

  it('is what the furthest group has not acknowledged, in all partitions', async () => {
    const stream = await streams({ partitions: 2 })
    const { redis, first, keys } = stream
    for (const { events } of keys) {
      for (const group of ['postgres', 'mongo', 'idle'])
        await redis.xgroup('CREATE', events, group, '0', 'MKSTREAM')
    }
    const ids = await append(stream, 1_000)
    await read(stream, first.events, 'postgres', 300)
    await redis.xack(first.events, 'postgres', ...ids.slice(0, 100))
    for (const { events } of keys) await read(stream, events, 'mongo', 500)
    await redis.xack(first.events, 'mongo', ...ids)
    const { groups, bytes } = await readBacklog(redis, keys, new Set(['idle']))
    expect(groups).toMatchObject([
      { group: 'postgres', entries: 900, acknowledged: 100, bytes },
      { group: 'mongo', entries: 500, acknowledged: 500 },
    ])
    // What is in the hands of a group takes a little room, too.
    for (const group of groups) {
      expect(group.bytes / group.entries).toBeGreaterThan(500)
      expect(group.bytes / group.entries).toBeLessThan(1_500)
    }
    expect((await readBacklog(redis, keys, NONE)).groups[0]).toMatchObject({ group: 'idle', entries: 1_000 })
  })

  it('is known by its age from the oldest that is pending or unread', async () => {
    const stream = await streams()
    const { redis, first, keys } = stream
    await redis.xgroup('CREATE', first.events, 'postgres', '0', 'MKSTREAM')
    const ages = async () => (await readBacklog(redis, keys, NONE)).groups.map(({ ageMs }) => ageMs)
    expect(await ages()).toEqual([0])
    const now = Number((await redis.time())[0]) * 1_000
    const [old, young] = [`${now - 600_000}-0`, `${now - 60_000}-0`]
    for (const id of [old, young]) await redis.xadd(first.events, id, 'cdc', '{}')
    expect((await ages())[0]).toBeGreaterThanOrEqual(600_000)
    await read(stream, first.events, 'postgres', 1)
    expect((await ages())[0]).toBeGreaterThanOrEqual(600_000)
    await redis.xack(first.events, 'postgres', old)
    expect((await ages())[0]).toBeGreaterThanOrEqual(60_000)
    expect((await ages())[0]).toBeLessThan(600_000)
    await read(stream, first.events, 'postgres', 1)
    await redis.xack(first.events, 'postgres', young)
    expect(await ages()).toEqual([0])
  })

  it.each([
    [400, 400, 0],
    [5_000, 4_990, 1_000],
  ])('is estimated where Redis does not know the lag: of %i entries', async (count, expected, tolerance) => {
    const stream = await streams()
    const { redis, first, keys } = stream
    await redis.xgroup('CREATE', first.events, 'postgres', '0', 'MKSTREAM')
    const ids = await append(stream, count)
    await read(stream, first.events, 'postgres', 10)
    await redis.xack(first.events, 'postgres', ...ids.slice(0, 10))
    // A hole in what is unread.
    await redis.xdel(first.events, ids[200] ?? '')
    const [[, , , , , , , , , , , lag] = []] = (await redis.xinfo('GROUPS', first.events)) as unknown[][]
    expect(lag).toBeNull()
    const [group] = (await readBacklog(redis, keys, NONE)).groups
    expect(Math.abs((group?.entries ?? 0) - (expected - 10 * Number(count === 400) - 1))).toBeLessThanOrEqual(
      tolerance,
    )
    await read(stream, first.events, 'postgres', count)
    await redis.xack(first.events, 'postgres', ...ids)
    expect((await readBacklog(redis, keys, NONE)).groups).toMatchObject([{ entries: 0, ageMs: 0 }])
  })
})

describe('a Redis of its own', () => {
  const servers = ownServers(() => {})
  let server: Service
  let stream: TestStream
  beforeAll(async () => {
    server = await servers.redis()
    stream = await openStream({ url: server.url })
  })
  afterAll(async () => {
    await stream.end()
    await servers.end()
  })
  const set = async (settings: Record<string, string>) => {
    for (const [name, value] of Object.entries(settings)) await stream.redis.config('SET', name, value)
  }

  it('has nothing to warnOnce of, as it is embedded', async () => {
    expect(await findWeaknesses(stream.redis, false)).toEqual([])
    const [memory] = await readMemory(stream.redis)
    expect(memory?.server).toBe(new URL(server.url).host)
    expect(memory?.max).toBeGreaterThan(memory?.used ?? 0)
    expect(memory?.used).toBeGreaterThan(100_000)
  })

  it('is complained of, with remedies, where it forgets, evicts or has no bound', async () => {
    await set({ appendonly: 'no', maxmemory: '0', 'maxmemory-policy': 'allkeys-lru' })
    const weaknesses = await findWeaknesses(stream.redis, false)
    expect(weaknesses).toEqual([
      expect.stringMatching(/maxmemory-policy allkeys-lru: .* deletes .*Set maxmemory-policy noeviction/),
      expect.stringMatching(/nothing bounds the backlog .*Set maxmemory/),
      expect.stringMatching(/a 202 does not survive the death of Redis. Set appendonly yes/),
    ])
    expect(await findWeaknesses(stream.redis, true)).toEqual([weaknesses[0], weaknesses[2]])
    await set({ appendonly: 'yes', 'maxmemory-policy': 'noeviction' })
  })

  it('that is full lets workers acknowledge, and lets what they reject wait for room', async () => {
    await stream.producer.append([newEntry('cdc', 'no json'), ...Array(20).fill(contact)])
    const sink = memorySink({ before: () => set({ maxmemory: '1' }) })
    const { stats, stop, ended, lines } = await work(stream, sink)
    await until(() => stats.retries >= 3)
    expect(sink.stored.size).toBe(1)
    expect(lines.some((line) => line.startsWith('warn') && line.includes('OOM'))).toBe(true)
    // The rejected one alone may wait, or its whole batch: nothing is lost, and nothing is deadLettered without a letter.
    expect(await stream.pending()).toBeGreaterThanOrEqual(1)
    expect(await stream.letters()).toEqual([])
    expect(await stream.redis.xlen(stream.first.events)).toBe(21)
    await set({ maxmemory: '0' })
    await until(async () => stats.acknowledged === 21 && (await stream.pending()) === 0)
    expect(await stream.letters()).toMatchObject([{ reason: 'malformed_json', body: 'no json' }])
    stop.abort()
    await ended
  })
})

const contact = newEntry('cdc', {
  webhookId: 'w',
  eventType: 'contact.created',
  timestamp: '2026-11-01T09:00:00Z',
  eventData: { id: '1' },
})
