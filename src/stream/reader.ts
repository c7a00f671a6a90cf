import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { type Entry, fromReply, type RawEntry } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'

/** On a Cluster: from one look to the next while nothing comes, in ms. */
const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 50

/** Who reads, and how much. */
export interface ReadOptions {
  readonly group: string
  readonly consumer: string
  /** Entries that are aimed at; each partition gives its share of them at most, but at least one. */
  readonly count: number
  /** How long to wait for the first entry, in ms, at least 1; `undefined`: not at all. */
  readonly blockMs: number | undefined
}

/** Reads what no member of the group has read yet, from all partitions. No two reads at the same time. */
export interface Reader {
  /**
   * @returns the new entries; all that Redis has delivered, though some partition may have failed
   * @throws whatever Redis or the connection answers, NOGROUP among it, where no partition had any
   */
  read(options: ReadOptions): Promise<Entry[]>
  /** @param listener is called when a connection is back that was lost, and with it perhaps a reply */
  onLoss(listener: () => void): void
}

/** @param redis for reads alone: on one server other commands would wait behind them */
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

/** Asks for all partitions in one command. Here `count` is that of a single stream, as Redis has it. */
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
 * One command cannot read streams of several slots there, and one that blocks would need a connection a partition,
 * and would be under way still while the worker is at work or wants to stop. So all partitions are asked at once,
 * without blocking, again and again: idle, that is 20 commands a second for each partition, and up to 50 ms later.
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
  // What is delivered must not be forgotten: the next read will meet the error again.
  if (failed && entries.length === 0) throw failed.reason
  return entries
}

/** Flat: a stream's name, then its entries, in turn. */
type StreamReply = readonly (Buffer | readonly RawEntry[])[]

function entriesOf(reply: StreamReply, partitions: readonly PartitionKeys[]): Entry[] {
  const entries: Entry[] = []
  for (let i = 0; i < reply.length; i += 2) {
    const name = String(reply[i])
    const keys = partitions.find(({ events }) => events === name)
    if (!keys) throw new Error(`Redis sent entries of the stream ${name}, which nobody asked for`)
    for (const raw of reply[i + 1] as readonly RawEntry[]) {
      const entry = fromReply(keys.partition, raw)
      if (entry) entries.push(entry)
    }
  }
  return entries
}
