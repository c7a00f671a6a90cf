import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { TransientError } from '../../src/errors.js'
import { newWorkerStats } from '../../src/health/stats.js'
import { createCleaner } from '../../src/pipeline/clean.js'
import { unfolded } from '../../src/pipeline/deliver.js'
import { countInto, warnAbout } from '../../src/pipeline/health.js'
import { together } from '../../src/pipeline/observer.js'
import { runWorker } from '../../src/pipeline/worker.js'
import type { FeedRecord, Sink } from '../../src/sinks/sink.js'
import { createFeed } from '../../src/stream/feed.js'
import type { PartitionKeys } from '../../src/stream/keys.js'
import type { RedisClient } from '../../src/stream/redis.js'
import { newEntry } from '../support/entries.js'
import { recordedLog } from '../support/log.js'
import { ownServers } from '../support/own.js'
import { openStream, type TestConsumer, type TestStream, until } from '../support/stream.js'

const LEASE_MS = 600
const DAY_MS = 86_400_000

const open: TestStream[] = []
const servers = ownServers(() => undefined)
afterAll(async () => {
  await Promise.all(open.map((stream) => stream.end()))
  await servers.end()
})
async function streams(options?: Parameters<typeof openStream>[0]): Promise<TestStream> {
  const stream = await openStream(options)
  open.push(stream)
  return stream
}

/** Every record of the feed, partition by partition, as names and values. */
async function records(
  redis: RedisClient,
  keys: readonly PartitionKeys[],
): Promise<Record<string, string>[]> {
  const parts = await Promise.all(keys.map(({ feed }) => redis.xrange(feed, '-', '+')))
  return parts.flat().map(([, fields]) => {
    const pairs = fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : []))
    return Object.fromEntries(pairs) as Record<string, string>
  })
}

/** A worker of the feed. @param after is called when a write is durable, before its entries are acknowledged */
async function work(stream: TestStream, after: (member: TestConsumer) => void = () => undefined) {
  const member = await stream.join({ leaseMs: LEASE_MS, batch: 20 })
  const { consumer, commands } = member
  const feed = createFeed(commands, stream.keys, DAY_MS)
  const write = async (items: readonly FeedRecord[]) => {
    await feed.append(items)
    after(member)
  }
  const sink: Sink<FeedRecord> = { name: 'feed', write, ping: feed.ping, close: async () => undefined }
  const [stop, giveUp] = [new AbortController(), new AbortController()]
  onTestFinished(() => giveUp.abort())
  const stats = newWorkerStats()
  const { log } = recordedLog()
  const options = {
    consumer,
    decode: createCleaner(CONTRACTS),
    fold: unfolded,
    sink,
    batch: 20,
    maxDeliveries: 5,
    observer: together([countInto<FeedRecord>(stats), warnAbout<FeedRecord>(log)]),
    progress: stats.progress,
  }
  const ended = runWorker(options, stop.signal, giveUp.signal)
  ended.catch(() => undefined)
  return { ...member, stop, giveUp, stats, ended }
}

const event = (id: string, score: number | string = '4.5') => ({
  event: 'interaction.completed',
  timestamp: '2026-11-22T09:30:00.123Z',
  correlation_id: id,
  data: {
    channel: 'chat',
    duration_seconds: '12',
    agent_id: 'a-1',
    customer_email: 'Ada@Example.COM',
    metadata: { priority: 'high', score },
  },
})

describe('a record of the clean feed', () => {
  it('is the event, coerced, with where it comes from', async () => {
    const stream = await streams({ partitions: 2 })
    const entry = { ...newEntry('validated', event('corr-1')), trace: '00-trace-01' }
    const { partition, ids } = await stream.producer.append([entry])
    const { stop, ended, stats } = await work(stream)
    await until(() => stats.acknowledged === 1)
    stop.abort()
    await ended
    const [record, ...others] = await records(stream.redis, stream.keys)
    expect(others).toEqual([])
    expect(Object.keys(record ?? {})).toEqual(['contract', 'key', 'entry', 'received', 'trace', 'value'])
    expect(record).toMatchObject({
      contract: 'validated',
      key: 'corr-1',
      entry: `${partition}/${ids[0]}`,
      received: ids[0]?.split('-')[0],
      trace: '00-trace-01',
    })
    expect(JSON.parse(record?.value ?? '')).toEqual({
      ...event('corr-1', 4.5),
      data: {
        ...event('corr-1', 4.5).data,
        duration_seconds: 12,
        customer_email: 'ada@example.com',
      },
    })
  })

  it('does not come from what is invalid: that is dead-lettered with all errors, and its id stays free', async () => {
    const stream = await streams()
    const bad = { ...event('corr-1'), timestamp: 'yesterday', data: { ...event('').data, channel: 'fax' } }
    const deep = `{"deep":${'['.repeat(20_000)}${']'.repeat(20_000)},${JSON.stringify(event('deep')).slice(1)}`
    await stream.producer.append([bad, 'no json', deep, event('corr-1')].map((b) => newEntry('validated', b)))
    const { stop, ended, stats } = await work(stream)
    await until(() => stats.acknowledged === 4)
    stop.abort()
    await ended
    expect((await records(stream.redis, stream.keys)).map(({ key }) => key)).toEqual(['corr-1'])
    const letters = await stream.letters()
    expect(letters.map(({ reason, sink }) => [reason, sink])).toEqual(
      expect.arrayContaining([
        ['invalid_event', 'feed'],
        ['malformed_json', 'feed'],
        ['refused_by_store', 'feed'],
      ]),
    )
    const invalid = letters.find(({ reason }) => reason === 'invalid_event')
    expect(invalid?.message).toMatch(/timestamp.*channel|channel.*timestamp/)
  })

  it('is there once for each correlation id, whatever is sent twice, redelivered or killed', async () => {
    const seed = Date.now() % 1_000_000
    const ids = fc.sample(fc.constantFrom(...Array.from({ length: 60 }, (_, i) => `corr-${i}`)), {
      numRuns: 300,
      seed,
    })
    const stream = await streams({ partitions: 3 })
    // An entry a call: the same id arrives in all partitions.
    for (const id of ids) await stream.producer.append([newEntry('validated', event(id))])
    // These end between append and ack, after a write or two.
    let crashes = 0
    for (const writes of [1, 2, 1]) {
      let left = writes
      const worker = await work(stream, (member) => {
        if (--left > 0) return
        member.crash()
        worker.giveUp.abort()
        crashes++
      })
      await worker.ended.catch(() => undefined)
    }
    expect(crashes).toBe(3)
    const appended = (await records(stream.redis, stream.keys)).length
    expect(appended).toBeGreaterThan(0)
    expect(await stream.pending()).toBeGreaterThanOrEqual(3)

    const workers = [await work(stream), await work(stream)]
    await until(async () => {
      const groups = await Promise.all(
        stream.keys.map(({ events }) => stream.redis.xinfo('GROUPS', events) as Promise<unknown[][]>),
      )
      const lag = groups.map(([fields]) => Number(fields?.[fields.indexOf('lag') + 1]))
      return lag.every((count) => count === 0) && (await stream.pending()) === 0
    })
    for (const { stop } of workers) stop.abort()
    await Promise.all(workers.map(({ ended }) => ended))
    const keys = (await records(stream.redis, stream.keys)).map(({ key }) => key)
    expect(keys.toSorted(), `with the seed ${seed}`).toEqual([...new Set(ids)].toSorted())
    expect(await stream.letters()).toEqual([])
  })
})

describe('the feed', () => {
  /** Far longer than 470 records take. */
  const RETENTION_MS = 3_000
  const record = (key: string, entryId = '1-0') => ({
    contract: 'validated',
    key,
    value: '{}',
    receivedAt: 1,
    trace: '',
    origin: { partition: 0, entryId },
  })

  it('takes the first record of a key until the retention is over, in batches of any size', async () => {
    const stream = await streams({ partitions: 2 })
    const feed = createFeed(stream.redis, stream.keys, RETENTION_MS)
    const many = Array.from({ length: 450 }, (_, i) => record(`k${i % 410}`))
    const began = Date.now()
    await feed.append(many)
    await feed.append(many.slice(0, 20).map(({ key }) => record(key, '2-0')))
    // Else the keys may have been forgotten in between, and the test says nothing.
    expect(Date.now() - began).toBeLessThan(RETENTION_MS)
    const first = await records(stream.redis, stream.keys)
    expect(first).toHaveLength(410)
    expect(first.every(({ entry }) => entry === '0/1-0')).toBe(true)
    const sizes = await Promise.all(stream.keys.map(({ feed: key }) => stream.redis.xlen(key)))
    for (const size of sizes) expect(size).toBeGreaterThan(100)

    await until(async () => (await stream.redis.exists(stream.keys.map(({ seen }) => `${seen}k0`))) === 0)
    await sleep(100)
    await feed.append([record('k0', '3-0'), record('k1', '3-0'), record('k2', '3-0')])
    const later = await records(stream.redis, stream.keys)
    expect(later.filter(({ entry }) => entry === '0/3-0').map(({ key }) => key)).toHaveLength(3)
    // Redis cuts off whole nodes, of 100 records.
    expect(later.length).toBeLessThan(410)
  })

  it('remembers where a record is', async () => {
    const stream = await streams()
    await createFeed(stream.redis, stream.keys, DAY_MS).append([record('{a}:\u0000 ü')])
    const id = await stream.redis.get(`${stream.first.seen}{a}:\u0000 ü`)
    expect(await stream.redis.xrange(stream.first.feed, id ?? '', id ?? '')).toHaveLength(1)
  })

  it('neither appends nor remembers while Redis is full', async () => {
    const { url } = await servers.redis()
    const stream = await streams({ url })
    const feed = createFeed(stream.redis, stream.keys, DAY_MS)
    await stream.redis.config('SET', 'maxmemory', '1mb')
    const many = Array.from({ length: 50 }, (_, i) => record(`k${i}`))
    await expect(feed.append(many)).rejects.toThrow(TransientError)
    expect(await stream.redis.keys('*')).toEqual([])
    await stream.redis.config('SET', 'maxmemory', '0')
    await feed.append(many)
    expect(await records(stream.redis, stream.keys)).toHaveLength(50)
  })
})
