import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { afterAll, inject } from 'vitest'
import { type Backoff, retryTransient } from '../../src/retry.js'
import { openClient } from '../../src/stream/client.js'
import { Consumer, type ConsumerOptions } from '../../src/stream/consumer.js'
import type { Entry } from '../../src/stream/entry.js'
import { type PartitionKeys, partitionKeys } from '../../src/stream/keys.js'
import { createProducer, type Producer } from '../../src/stream/producer.js'
import { askRedis, type RedisClient } from '../../src/stream/redis.js'
import { freshName } from './fresh.js'

const GROUP = 'memory'
const BACKOFF: Backoff = { initialMs: 20, maxMs: 100 }

/** A consumer, and the connections that it works with. */
export interface TestConsumer {
  readonly consumer: Consumer
  readonly reader: RedisClient
  readonly commands: RedisClient
  /** Ends it as a crash does: nothing is acknowledged, renewed or retired any more. */
  crash(): void
}

/** Streams of a test's own. */
export interface TestStream {
  readonly keys: readonly PartitionKeys[]
  /** The only partition's keys, or the first's. */
  readonly first: PartitionKeys
  readonly group: string
  /** For the test's own questions. */
  readonly redis: RedisClient
  readonly producer: Producer
  /** Opens a member of the group, which exists then. */
  join(options?: Partial<ConsumerOptions>): Promise<TestConsumer>
  /** How many entries are read and not acknowledged, in all partitions. */
  pending(): Promise<number>
  /** The dead letters of all partitions, as names and values. */
  letters(): Promise<Record<string, string>[]>
  /** Closes every connection and removes the keys. */
  end(): Promise<void>
}

/** Opens streams under a fresh name. @param url default: the Redis of this run */
export async function openStream({
  partitions = 1,
  url = inject('services').redisUrl,
} = {}): Promise<TestStream> {
  const keys = partitionKeys(freshName('stream'), partitions)
  const [first] = keys
  if (!first) throw new Error('no partition')
  const connections: RedisClient[] = []
  const connect = async (manner: 'fail-fast' | 'patient') => {
    const redis = await openClient(url, manner, () => undefined)
    connections.push(redis)
    return redis
  }
  const redis = await connect('patient')
  return {
    keys,
    first,
    group: GROUP,
    redis,
    producer: createProducer(await connect('fail-fast'), keys),
    async join(options) {
      const reader = await connect('patient')
      const commands = await connect('patient')
      const standard = { partitions: keys, group: GROUP, batch: 100, lingerMs: 0, leaseMs: 30_000 }
      const consumer = new Consumer({ reader, commands, ...standard, ...options })
      await consumer.createGroups()
      const crash = () => [reader, commands].forEach((connection) => void connection.disconnect())
      return { consumer, reader, commands, crash }
    },
    async pending() {
      const counts = await Promise.all(keys.map(({ events }) => redis.xpending(events, GROUP)))
      return counts.reduce((sum, [count]) => sum + Number(count), 0)
    },
    async letters() {
      const parts = await Promise.all(keys.map(({ dead }) => redis.xrange(dead, '-', '+')))
      return parts.flat().map(([, fields]) => {
        const pairs = fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? '']] : []))
        return Object.fromEntries(pairs) as Record<string, string>
      })
    },
    async end() {
      // The servers of a Cluster are the test's own, and end with it.
      if (redis.status === 'ready' && !(redis instanceof Cluster)) {
        const seen = await Promise.all(keys.map((own) => redis.keys(`${own.seen}*`)))
        await redis.del([
          ...keys.flatMap(({ events, dead, discarded, feed }) => [events, dead, discarded, feed]),
          ...seen.flat(),
        ])
      }
      for (const connection of connections) connection.disconnect()
    },
  }
}

/** Reads as a worker does: what passes by itself is tried again; each stale is a batch of its own. */
export async function readPatiently(consumer: Consumer, signal: AbortSignal): Promise<Entry[][]> {
  const ask = <T>(work: () => Promise<T>) =>
    retryTransient(
      () => askRedis('read entries', work),
      signal,
      () => undefined,
      BACKOFF,
    )
  const batches: Entry[][] = []
  while (consumer.staleDue && !signal.aborted) {
    const stale = await ask(() => consumer.claim())
    if (!stale) break
    batches.push([stale.entry])
  }
  return batches.length > 0 ? batches : [await ask(() => consumer.read(signal))]
}

/** Reads batches until there are `count` entries, or `timeoutMs` is over. */
export async function readBatches(consumer: Consumer, count: number, timeoutMs = 30_000): Promise<Entry[][]> {
  const signal = AbortSignal.timeout(timeoutMs)
  const batches: Entry[][] = []
  while (batches.flat().length < count && !signal.aborted) {
    batches.push(...(await readPatiently(consumer, signal).catch(() => [])))
  }
  return batches.filter((batch) => batch.length > 0)
}

/** Waits until something holds. @throws Error after `timeoutMs` */
export async function until(what: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
    if (await what()) return
    await sleep(20)
  }
  throw new Error(`Not within ${timeoutMs} ms: ${what}`)
}

/** Makes the function that opens streams for the tests of a file; they end with it, as concurrent tests need it. */
export function streamsOfThisFile(): typeof openStream {
  const open: TestStream[] = []
  afterAll(async () => {
    await Promise.all(open.map((stream) => stream.end()))
  })
  return async (options) => {
    const stream = await openStream(options)
    open.push(stream)
    return stream
  }
}
