import { type Entry, fromReply, isBefore, type RawEntry, receivedAt } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'

/** Target size of a page in bytes, at most, so that large bodies do not fill the memory. */
const PAGE_BYTES = 8 * 1024 * 1024
/** Number of entries of the first page, while their size is unknown, and of the largest page. */
const FIRST_PAGE = 16
const LARGEST_PAGE = 1_000

/** A part of the log, the same in every partition. */
export interface Range {
  /** Id, or its milliseconds alone, of the first entry. */
  readonly from: string
  /** Id, or its milliseconds alone, of the last entry. */
  readonly to: string
}

/** Consecutive entries of one partition. */
export interface Page {
  readonly entries: readonly Entry[]
  /** Where to continue after these entries: everything before this id has been read, in every partition. */
  readonly next: string
}

/** How far one partition has been read. */
interface Place {
  readonly keys: PartitionKeys
  /** Id of the last entry that was read, or the beginning of the range. */
  at: string
  started: boolean
}

/**
 * Reads a part of the log page by page, roughly in order of receipt. It always reads the partition that is furthest
 * behind, so one id is the progress of all. It uses no consumer group, so it takes no entries from workers.
 * Memory stays at one page, about 8 MiB, or one entry if that is larger.
 * @throws the error of Redis or the connection
 */
export async function* readWindow(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  { from, to }: Range,
): AsyncGenerator<Page> {
  let places: Place[] = partitions.map((keys) => ({ keys, at: from, started: false }))
  let count = FIRST_PAGE
  for (let last = furthestBehind(places); last; last = furthestBehind(places)) {
    const place = last
    const start = place.started ? `(${place.at}` : place.at
    const raw = (await redis.callBuffer(
      ...(['XRANGE', place.keys.events, start, to, 'COUNT', count] as const),
    )) as RawEntry[]
    const entries = raw.flatMap((rawEntry) => fromReply(place.keys.partition, rawEntry) ?? [])
    if (raw.length < count) places = places.filter((candidate) => candidate !== place)
    const end = raw.at(-1)
    if (!end) continue
    Object.assign(place, { at: end[0].toString('latin1'), started: true })
    const average = entries.reduce((sum, { body }) => sum + body.length, 1) / entries.length
    count = Math.max(1, Math.min(LARGEST_PAGE, 2 * count, Math.floor(PAGE_BYTES / average)))
    yield { entries, next: furthestBehind(places)?.at ?? place.at }
  }
}

/**
 * The time since which the log is complete. Costs two commands per partition.
 * @returns milliseconds since 1970; `undefined` when no entry has ever been removed
 */
export async function wholeSince(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
): Promise<number | undefined> {
  const parts = await Promise.all(partitions.map(({ events }) => partitionSince(redis, events)))
  const since = parts.flatMap((part) => part ?? [])
  return since.length > 0 ? Math.max(...since) : undefined
}

async function partitionSince(redis: RedisClient, stream: string): Promise<number | undefined> {
  if ((await redis.exists(stream)) === 0) return undefined
  const info = (await redis.xinfo('STREAM', stream)) as unknown[]
  const of = (name: string) => (info.includes(name) ? info[info.indexOf(name) + 1] : undefined)
  // Redis before 7.0 does not report how many entries were ever added.
  if (of('entries-added') === of('length')) return undefined
  const [first] = await redis.xrange(stream, '-', '+', 'COUNT', 1)
  return receivedAt(first?.[0] ?? String(of('last-generated-id')))
}

function furthestBehind(places: readonly Place[]): Place | undefined {
  let last: Place | undefined
  for (const place of places) if (!last || isBefore(place.at, last.at)) last = place
  return last
}
