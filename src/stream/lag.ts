import { countEntries } from './count.js'
import { receivedAt } from './entry.js'
import { type PartitionKeys, partitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const lag = loadScript('lag')

/** Undelivered entries that one call counts for a group: about 3 ms of Redis' time. */
const PAGE = 1_000
/** It counts fewer where entries are large: it looks at about this many bytes. */
const PAGE_BYTES = 4 * 1024 * 1024
/** An exact count ends after this many pages where Redis has a figure of its own. */
const EXACT_PAGES = 10
/** PARTITIONS is never more. */
const MOST_PARTITIONS = 256

/**
 * How `undelivered` is found, and what that costs Redis for each partition.
 * `glance`: Redis' own figure. 10 to 40 us, and up to 0.5 ms for a group whose next entry is large (300 KB); all
 * partitions at once.
 * `page`: counted up to 1,000 entries, above that Redis' own figure. 3 ms for each group that is far behind, one
 * partition after the other.
 * `exact`: counted up to 10,000 entries, above that Redis' own figure; all counted where Redis has none, or a wrong one.
 * 3 ms for 1,000 entries, in calls of that length.
 * Redis has no figure after XDEL, and before Redis 7.0: `glance` counts up to 1,000 entries then, and like `page`
 * estimates a longer backlog by its age.
 */
export type Precision = 'glance' | 'page' | 'exact'

/** How far a group is: in one stream, or in all partitions together. */
export interface GroupLag {
  readonly group: string
  /** Streams that have no such group yet: none of their entries is delivered. */
  readonly missingPartitions: number
  /** Entries that no consumer has read yet. */
  readonly undelivered: number
  /** Whether Redis itself knows `undelivered`: where not, scalers that ask Redis see nothing. */
  readonly lagKnown: boolean
  /** Entries that a consumer has read and not acknowledged. */
  readonly pending: number
  /** Ages by Redis' clock, in ms; `undefined` without such an entry. A `glance` may lack the first beside the second. */
  readonly oldestUndeliveredMs: number | undefined
  readonly oldestPendingMs: number | undefined
  /** Entries that it has acknowledged since it exists; `undefined` where Redis does not know (see {@link Precision}). */
  readonly acknowledged: number | undefined
}

/** One stream and its groups, at one moment. */
export interface StreamLag {
  readonly stream: string
  /** Entries, acknowledged ones too. */
  readonly length: number
  /** Memory in Redis. */
  readonly bytes: number
  /** Age of its first entry, in ms by Redis' clock; `undefined` without one, and where a `glance` does not need it. */
  readonly spanMs: number | undefined
  /** Whether the stream has any group, asked for or not. */
  readonly hasGroups: boolean
  readonly groups: readonly GroupLag[]
}

/** What the script tells of a group. */
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
 * Reads how far the groups of each partition are, each partition at a moment of its own.
 * @param precision what it costs, too
 * @param names of the groups to read; default: all that there are
 * @throws what Redis or the connection answers
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
 * The groups' figures, all streams together.
 * @param expected names of groups that there should be: where one is missing, all of the stream is undelivered for it
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
    if (first) groups.set(name, others.reduce(together, first))
  }
  return groups
}

/** Age of the oldest entry that the group has not acknowledged, in ms; `undefined` without one. */
export function oldestAgeMs({ oldestUndeliveredMs, oldestPendingMs }: GroupLag): number | undefined {
  return older(oldestUndeliveredMs, oldestPendingMs)
}

/** A group that does not exist in a stream yet has read nothing of it. */
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
 * Partitions beyond those that are read which hold entries for a group: PARTITIONS is lower than it has been, or
 * lower here than at the edge. Costs a call for each partition that there could be: for the start alone.
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
  const waiting = streams.map((stream) => addUp([stream], [group]).get(group))
  return others.flatMap(({ partition }, i) => {
    const { undelivered = 0, pending = 0 } = waiting[i] ?? {}
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

/** Above a page: what Redis says, and where it does not know, by how much of the stream's time is undelivered. */
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

/** More than the stream has is wrong for sure: unread entries were trimmed by hand. */
function isPossible(known: number, length: number): boolean {
  return known >= 0 && known <= length
}

function together(one: GroupLag, other: GroupLag): GroupLag {
  const acknowledged = [one.acknowledged, other.acknowledged]
  return {
    group: one.group,
    missingPartitions: one.missingPartitions + other.missingPartitions,
    undelivered: one.undelivered + other.undelivered,
    lagKnown: one.lagKnown && other.lagKnown,
    pending: one.pending + other.pending,
    oldestUndeliveredMs: older(one.oldestUndeliveredMs, other.oldestUndeliveredMs),
    oldestPendingMs: older(one.oldestPendingMs, other.oldestPendingMs),
    acknowledged: acknowledged.includes(undefined)
      ? undefined
      : (one.acknowledged ?? 0) + (other.acknowledged ?? 0),
  }
}

function older(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : Math.max(one, other ?? 0)
}
