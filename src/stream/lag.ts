import { countEntries } from './count.js'
import { receivedAt } from './entry.js'
import { type PartitionKeys, partitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const lag = loadScript('lag')

/** Undelivered entries that one call counts for a group; costs Redis about 3 ms. */
const PAGE = 1_000
/** A call reads about this many bytes, so it counts fewer large entries. */
const PAGE_BYTES = 4 * 1024 * 1024
/** An exact count stops after this many pages when Redis has its own figure. */
const EXACT_PAGES = 10
/** The maximum of PARTITIONS. */
const MOST_PARTITIONS = 256

/**
 * How `undelivered` is found, and what that costs Redis per partition.
 * `glance`: Redis' own figure. 10 to 40 us, and up to 0.5 ms for a group whose next entry is large (300 KB); reads all
 * partitions at once.
 * `page`: counts up to 1,000 entries; above that, Redis' own figure. 3 ms for each group that is far behind; reads one
 * partition after the other.
 * `exact`: counts up to 10,000 entries; above that, Redis' own figure, or a count of all where that is missing or wrong.
 * 3 ms for 1,000 entries, in calls of that length.
 * Redis has no figure after XDEL, nor before Redis 7.0. Then `glance` counts up to 1,000 entries, and `glance` and `page`
 * estimate a longer backlog by its age.
 */
export type Precision = 'glance' | 'page' | 'exact'

/** The lag of a group: in one stream, or over all partitions. */
export interface GroupLag {
  readonly group: string
  /** Streams that do not have the group yet: none of their entries is delivered to it. */
  readonly missingPartitions: number
  /** Entries that no consumer has read yet. */
  readonly undelivered: number
  /** Whether Redis itself knows `undelivered`; if not, autoscalers that ask Redis see nothing. */
  readonly lagKnown: boolean
  /** Entries that a consumer has read and not acknowledged. */
  readonly pending: number
  /** Ages by Redis' clock, in ms; `undefined` without such an entry. A `glance` may omit the first if it has the second. */
  readonly oldestUndeliveredMs: number | undefined
  readonly oldestPendingMs: number | undefined
  /** Entries that the group has ever acknowledged; `undefined` when Redis does not know (see {@link Precision}). */
  readonly acknowledged: number | undefined
}

/** One stream and its groups at one moment. */
export interface StreamLag {
  readonly stream: string
  /** Number of entries, acknowledged ones included. */
  readonly length: number
  /** Memory in Redis, in bytes. */
  readonly bytes: number
  /** Age of its first entry, in ms by Redis' clock; `undefined` without one, or when a `glance` does not need it. */
  readonly spanMs: number | undefined
  /** Whether the stream has any group, requested or not. */
  readonly hasGroups: boolean
  readonly groups: readonly GroupLag[]
}

/** The script's reply for one group. */
type RawGroup = readonly [
  name: string,
  pending: number,
  oldestPending: string,
  counted: number,
  first: string,
  last: string,
  complete: number,
  lag: number,
  read: number,
]

/**
 * Reads the lag of the groups in each partition. Each partition is read at its own moment.
 * @param precision also decides the cost
 * @param names names of the groups to read; default: all groups
 * @throws the error of Redis or the connection
 */
export async function readLag(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  precision: Precision,
  names: readonly string[] = [],
): Promise<StreamLag[]> {
  const read = ({ events }: PartitionKeys) => readStream(redis, events, precision, names)
  if (precision === 'glance') return await Promise.all(partitions.map(read))
  const streams: StreamLag[] = []
  for (const keys of partitions) streams.push(await read(keys))
  return streams
}

/**
 * Adds up each group's figures over all streams.
 * @param expected names of groups that should exist: in a stream without the group, all entries count as undelivered
 */
export function addUp(streams: readonly StreamLag[], expected: Iterable<string> = []): Map<string, GroupLag> {
  const groups = new Map<string, GroupLag>()
  const names = new Set([
    ...expected,
    ...streams.flatMap((stream) => stream.groups.map(({ group }) => group)),
  ])
  for (const name of names) {
    const parts = streams.map(
      (stream) => stream.groups.find(({ group }) => group === name) ?? unread(name, stream),
    )
    const [first, ...others] = parts
    if (first) groups.set(name, others.reduce(sum, first))
  }
  return groups
}

/** Age of the oldest undelivered or pending entry of the group, in ms; `undefined` without one. */
export function oldestAgeMs({ oldestUndeliveredMs, oldestPendingMs }: GroupLag): number | undefined {
  return older(oldestUndeliveredMs, oldestPendingMs)
}

/** The lag of a group that does not exist in a stream yet: all entries are undelivered. */
export function unread(group: string, { length, spanMs }: StreamLag): GroupLag {
  return {
    group,
    missingPartitions: 1,
    undelivered: length,
    lagKnown: true,
    pending: 0,
    oldestUndeliveredMs: spanMs,
    oldestPendingMs: undefined,
    acknowledged: 0,
  }
}

/**
 * Finds partitions that hold entries for a group but are not read: PARTITIONS was lowered, or is lower here than at the
 * edge. Costs a call for each possible partition, so it is only for the start.
 * @returns the numbers of the partitions, in order
 */
export async function unreadPartitions(
  redis: RedisClient,
  prefix: string,
  partitions: number,
  group: string,
): Promise<number[]> {
  const others = partitionKeys(prefix, MOST_PARTITIONS).slice(partitions)
  const streams = await readLag(redis, others, 'glance', [group])
  const lags = streams.map((stream) => addUp([stream], [group]).get(group))
  return others.flatMap(({ partition }, i) => {
    const { undelivered = 0, pending = 0 } = lags[i] ?? {}
    return undelivered + pending > 0 ? [partition] : []
  })
}

async function readStream(
  redis: RedisClient,
  stream: string,
  precision: Precision,
  names: readonly string[],
): Promise<StreamLag> {
  const counted = precision === 'glance' ? 0 : PAGE
  const reply = await lag(redis, [stream], [counted, PAGE, PAGE_BYTES, ...names])
  const [now, length, bytes, first, total, ...raw] = reply as [
    number,
    number,
    number,
    string,
    number,
    ...RawGroup[],
  ]
  const ageOf = (id: string) => (id === '' ? undefined : Math.max(0, now - receivedAt(id)))
  const head = { stream, length, bytes, spanMs: ageOf(first), hasGroups: total > 0 }
  const groups = await Promise.all(
    raw.map(async (group) => {
      const [name, pending, oldestPending, , firstUnread, , , known, read] = group
      const undelivered =
        precision === 'exact'
          ? await countUndelivered(redis, stream, group, length)
          : estimateUndelivered(group, head, ageOf(firstUnread))
      return {
        group: name,
        missingPartitions: 0,
        undelivered,
        lagKnown: known >= 0,
        pending,
        oldestUndeliveredMs: ageOf(firstUnread),
        oldestPendingMs: ageOf(oldestPending),
        acknowledged: read >= 0 ? read - pending : undefined,
      }
    }),
  )
  return { ...head, groups }
}

/** Above a page: Redis' own figure; without one, estimated by the undelivered share of the stream's time span. */
function estimateUndelivered(
  [, , , counted, , , complete, known]: RawGroup,
  { length, spanMs = 0 }: { readonly length: number; readonly spanMs: number | undefined },
  oldestMs = 0,
): number {
  if (complete === 1) return counted
  if (isPossible(known, length)) return Math.max(counted, known)
  return Math.max(counted, Math.round(Math.min(1, oldestMs / Math.max(1, spanMs)) * length))
}

async function countUndelivered(
  redis: RedisClient,
  stream: string,
  [, , , counted, , last, complete, known]: RawGroup,
  length: number,
): Promise<number> {
  if (complete === 1) return counted
  const pages = isPossible(known, length) ? EXACT_PAGES - 1 : undefined
  const rest = await countEntries(redis, stream, last, { ...(pages && { pages }) })
  return rest.complete ? counted + (rest.counts.get('') ?? 0) : known
}

/** A figure above the stream's length is wrong: somebody trimmed unread entries by hand. */
function isPossible(known: number, length: number): boolean {
  return known >= 0 && known <= length
}

function sum(a: GroupLag, b: GroupLag): GroupLag {
  const acknowledged = [a.acknowledged, b.acknowledged]
  return {
    group: a.group,
    missingPartitions: a.missingPartitions + b.missingPartitions,
    undelivered: a.undelivered + b.undelivered,
    lagKnown: a.lagKnown && b.lagKnown,
    pending: a.pending + b.pending,
    oldestUndeliveredMs: older(a.oldestUndeliveredMs, b.oldestUndeliveredMs),
    oldestPendingMs: older(a.oldestPendingMs, b.oldestPendingMs),
    acknowledged: acknowledged.includes(undefined)
      ? undefined
      : (a.acknowledged ?? 0) + (b.acknowledged ?? 0),
  }
}

function older(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : Math.max(a, b ?? 0)
}
