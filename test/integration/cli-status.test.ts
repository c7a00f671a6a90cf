import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { ROLES } from '../../src/cli/start.js'
import { type Config, readConfig } from '../../src/config.js'
import { readStatus } from '../../src/ops/status.js'
import { Consumer } from '../../src/stream/consumer.js'
import { countEntries } from '../../src/stream/count.js'
import type { DeadLetter } from '../../src/stream/dead-letter.js'
import { groupFigures } from '../../src/stream/groups.js'
import { type PartitionKeys, partitionKeys } from '../../src/stream/keys.js'
import { createProducer } from '../../src/stream/producer.js'
import { createRedis } from '../../src/stream/redis.js'
import { freshName } from '../support/fresh.js'

const LEASE_MS = 1_000
const GROUP = 'postgres'

describe('the figures of a group', () => {
  let redis: Redis
  let config: Config
  let partitions: PartitionKeys[]
  beforeAll(async () => {
    redis = createRedis(inject('services').redisUrl, 'patient', () => undefined)
    await redis.connect()
  })
  afterAll(() => redis.disconnect())
  beforeEach(() => {
    config = readConfig({ STREAM_PREFIX: freshName('status'), PARTITIONS: '2', LEASE_MS: String(LEASE_MS) })
    partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  })

  const figures = () => groupFigures(redis, partitions, GROUP, LEASE_MS)
  const stream = (partition: number) => partitions[partition]?.events ?? ''

  /** Appends entries to one partition; ids go up from `<ms>-1`. */
  async function append(partition: number, count: number, ms = 1_000): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, i) => `${ms}-${i + 1}`)
    const pipeline = redis.pipeline()
    for (const id of ids) {
      pipeline.xadd(stream(partition), id, 'cdc', '{}')
    }
    await pipeline.exec()
    return ids
  }
  async function createGroups(): Promise<void> {
    for (const { events } of partitions) await redis.xgroup('CREATE', events, GROUP, '0', 'MKSTREAM')
  }
  const read = (partition: number, count: number, consumer = 'one') =>
    redis.xreadgroup('GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', stream(partition), '>')

  test('are zero before anything has happened', async () => {
    expect(await figures()).toEqual({
      group: GROUP,
      missingPartitions: 2,
      undelivered: 0,
      pending: 0,
      oldestAgeMs: undefined,
      consumers: 0,
      silentConsumers: 0,
    })
  })

  test('count everything as undelivered while the group is missing', async () => {
    await append(0, 3)
    await append(1, 4)
    await redis.xgroup('CREATE', stream(1), GROUP, '0')
    expect(await figures()).toMatchObject({ missingPartitions: 1, undelivered: 7, pending: 0 })
  })

  test('tell undelivered from pending from done, in all partitions together', async () => {
    await createGroups()
    const [first = '', second = ''] = await append(0, 10)
    await append(1, 5)
    await read(0, 4)
    await read(1, 5)
    await redis.xack(stream(0), GROUP, first, second)
    expect(await figures()).toMatchObject({ missingPartitions: 0, undelivered: 6, pending: 7 })
  })

  test('take the age of the oldest entry, pending or undelivered, by Redis’ clock', async () => {
    await createGroups()
    const [seconds] = await redis.time()
    const now = Number(seconds) * 1_000
    const [pending = ''] = await append(0, 1, now - 90_000)
    await append(1, 1, now - 60_000)
    const age = async () => (await figures()).oldestAgeMs ?? Number.NaN
    expect(await age()).toBeGreaterThanOrEqual(90_000)
    expect(await age()).toBeLessThan(100_000)
    await read(0, 1)
    expect(await age()).toBeGreaterThanOrEqual(90_000)
    await redis.xack(stream(0), GROUP, pending)
    expect(await age()).toBeGreaterThanOrEqual(60_000)
    expect(await age()).toBeLessThan(70_000)
    await read(1, 1)
    await redis.xack(stream(1), GROUP, `${now - 60_000}-1`)
    expect((await figures()).oldestAgeMs).toBeUndefined()
  })

  test('count a member once however many partitions it reads, and know those that died with entries', async () => {
    await createGroups()
    const [first = ''] = await append(0, 3)
    await append(1, 2)
    await read(0, 1, 'quiet')
    await redis.xack(stream(0), GROUP, first)
    await read(0, 1, 'dead')
    await read(1, 1, 'dead')
    await sleep(LEASE_MS + 100)
    expect(await figures()).toMatchObject({ consumers: 1, silentConsumers: 1, pending: 2 })
    await read(0, 1, 'living')
    await read(1, 1, 'living')
    expect(await figures()).toMatchObject({ consumers: 2, silentConsumers: 1, pending: 4 })
  })

  test('follow a member of the real kind from its first entry to its end', async () => {
    const reader = createRedis(inject('services').redisUrl, 'patient', () => undefined)
    const consumer = new Consumer({
      ...{ reader, commands: redis, partitions, group: GROUP, batch: 10, lingerMs: 0, leaseMs: LEASE_MS },
    })
    await consumer.createGroups()
    await append(0, 3)
    const entries = await consumer.read(new AbortController().signal)
    await sleep(LEASE_MS + 100)
    expect(await figures()).toMatchObject({ consumers: 1, silentConsumers: 0, pending: 3 })
    await consumer.acknowledge(entries.map((entry) => ({ entry, letters: [] })))
    await consumer.close()
    expect(await figures()).toMatchObject({ consumers: 0, silentConsumers: 0, pending: 0, undelivered: 0 })
    reader.disconnect()
  })

  test('are right where Redis does not know: after unread entries were deleted', async () => {
    await createGroups()
    const ids = await append(0, 10)
    await read(0, 2)
    await redis.xdel(stream(0), ids[5] ?? '', ids[7] ?? '')
    expect(await figures()).toMatchObject({ undelivered: 6, pending: 2 })
  })

  test('are right where Redis is wrong: after unread entries were trimmed', async () => {
    await createGroups()
    await append(0, 10)
    await read(0, 2)
    await redis.xtrim(stream(0), 'MAXLEN', 5)
    expect(await figures()).toMatchObject({ undelivered: 5, pending: 2 })
    await read(0, 1)
    expect(await figures()).toMatchObject({ undelivered: 4, pending: 3 })
    await append(0, 20, 2_000)
    await read(0, 5)
    expect(await figures()).toMatchObject({ undelivered: 19, pending: 8 })
  })

  test('are right for more than are counted one by one, with and without Redis’ own figure', async () => {
    await createGroups()
    const ids = await append(0, 12_345)
    await read(0, 45)
    expect(await figures()).toMatchObject({ undelivered: 12_300, pending: 45 })
    await redis.xdel(stream(0), ids.at(-2) ?? '')
    expect(await figures()).toMatchObject({ undelivered: 12_299, pending: 45 })
  })

  test('and those of dead letters make the status', async () => {
    const producer = createProducer(redis, partitions)
    const letter: DeadLetter = {
      ...{ reason: 'malformed_json', message: 'm', errors: [], sink: 'edge', source: 'cdc' },
      ...{ entry: '', index: undefined, receivedAt: 0, delivery: '', trace: '' },
      ...{ attempts: 1, firstAt: 0, body: Buffer.from('{') },
    }
    await producer.deadLetter([letter, letter, { ...letter, sink: 'mongo' }])
    await producer.deadLetter([
      { ...letter, sink: 'mongo' },
      { ...letter, message: 'sink', source: 'mongo' },
    ])
    await redis.xgroup('CREATE', stream(0), 'feed', '0', 'MKSTREAM')
    const status = await readStatus(redis, config, ROLES)
    expect(status.edge).toEqual({ deadLetters: 3 })
    const letters = status.groups.map(({ group, missingPartitions, deadLetters }) => [
      ...[group, missingPartitions, deadLetters],
    ])
    expect(letters).toEqual([
      ['postgres', 2, 0],
      ['mongo', 2, 2],
      ['feed', 1, 0],
    ])
  })

  test('rest on a count that is exact over several pages, by any field', async () => {
    await append(0, 2_500)
    expect(await countEntries(redis, stream(0), undefined, { field: 'cdc' })).toEqual({
      first: '1000-1',
      last: '1000-2500',
      counts: new Map([['{}', 2_500]]),
      complete: true,
    })
    const partly = await countEntries(redis, stream(0), '1000-100', { pages: 2 })
    const counts = new Map([['', 2_000]])
    expect(partly).toEqual({ first: '1000-101', last: '1000-2100', counts, complete: false })
  })
})
