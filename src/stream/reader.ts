import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { type Entry, fromReply, type RawEntry } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'

/** Pauses between polls of a Cluster while there are no entries, in ms. */
const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 50

/** Which consumer reads, and how much. */
export interface ReadOptions {
  readonly group: string
  readonly consumer: string
  /** Target number of entries; each partition may give an equal share of them, but at least one. */
  readonly count: number
  /** How long to wait for the first entry, in ms, at least 1; `undefined`: not at all. */
  readonly blockMs: number | undefined
}

/** Reads entries that no consumer of the group has read yet, from all partitions. One read at a time. */
export interface Reader {
  /**
   * @returns the new entries; those that Redis delivered, even if some partition failed
   * @throws the error of Redis (such as NOGROUP) or the connection, when a partition failed and none had entries
   */
  read(options: ReadOptions): Promise<Entry[]>
  /** @param listener called when a lost connection is back; a reply may have been lost with it */
  onLoss(listener: () => void): void
}

/** @param redis connection for reads only: on a single server other commands would wait behind them */
export function createReader(redis: RedisClient, partitions: readonly PartitionKeys[]): Reader {
  const read = redis instanceof Cluster ? readCluster : readServer
  return {
    read: (options) => {
      const count = Math.max(1, Math.floor(options.count / partitions.length))
      return read(redis, partitions, { ...options, count })
    },
    onLoss: (listener) => {
      if (redis instanceof Cluster) redis.on('-node', listener).on('+node', listener)
      redis.on('ready', listener)
    },
  }
}

/** Reads all partitions in one command. Here `count` applies to each stream, as in Redis. */
async function readServer(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  { group, consumer, count, blockMs }: ReadOptions,
): Promise<Entry[]> {
  const streams = partitions.map(({ events }) => events)
  const block = blockMs === undefined ? [] : ['BLOCK', blockMs]
  const reply = (await redis.callBuffer(
    ...(['XREADGROUP', 'GROUP', group, consumer, 'COUNT', count] as const),
    ...[...block, 'STREAMS', ...streams, ...streams.map(() => '>')],
  )) as StreamReply | null
  return reply ? entriesOf(reply, partitions) : []
}

/**
 * On a Cluster one command cannot read streams of several slots. Blocking reads would need a connection per partition,
 * and would still run while the worker is busy or wants to stop. So all partitions are polled at once, without blocking:
 * when idle, that costs 20 commands a second per partition and delays an entry by up to 50 ms.
 */
async function readCluster(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  { blockMs = 0, ...options }: ReadOptions,
): Promise<Entry[]> {
  const end = performance.now() + blockMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const entries = await readEach(redis, partitions, { ...options, blockMs: undefined })
    const restMs = end - performance.now()
    if (entries.length > 0 || restMs <= 0) return entries
    await sleep(Math.min(pauseMs, restMs))
  }
}

async function readEach(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  options: ReadOptions,
): Promise<Entry[]> {
  const parts = await Promise.allSettled(partitions.map((keys) => readServer(redis, [keys], options)))
  const entries = parts.flatMap((part) => (part.status === 'fulfilled' ? part.value : []))
  const failed = parts.find((part) => part.status === 'rejected')
  // Delivered entries must not be lost: the next read will meet the error again.
  if (failed && entries.length === 0) throw failed.reason
  return entries
}

/** A flat list: a stream's name, then its entries, for each stream. */
type StreamReply = readonly (Buffer | readonly RawEntry[])[]

function entriesOf(reply: StreamReply, partitions: readonly PartitionKeys[]): Entry[] {
  const entries: Entry[] = []
  for (let i = 0; i < reply.length; i += 2) {
    const name = String(reply[i])
    const keys = partitions.find(({ events }) => events === name)
    if (!keys) throw new Error(`Redis sent entries of the stream ${name}, which was not requested`)
    for (const raw of reply[i + 1] as readonly RawEntry[]) {
      const entry = fromReply(keys.partition, raw)
      if (entry) entries.push(entry)
    }
  }
  return entries
}
