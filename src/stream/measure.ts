import { receivedAt } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const measure = loadScript('measure')

/** Undelivered entries that are counted exactly for a group in a partition: about 3 ms of Redis' time. */
const COUNTED = 1_000
/** They are fewer where entries are large: so many bytes are looked at, about. */
const COUNTED_BYTES = 4 * 1024 * 1024

/** How far a group is, in all partitions together. */
export interface GroupMeasure {
  readonly undelivered: number
  /** Whether Redis itself knows `undelivered`: where not, scalers that ask it see nothing. */
  readonly lagKnown: boolean
  /** Entries that were read and are not acknowledged. */
  readonly pending: number
  /** Ages by Redis' clock, in ms; 0 without such an entry. */
  readonly oldestUndeliveredMs: number
  readonly oldestPendingMs: number
}

/** The log at one moment; each partition at one of its own. */
export interface LogMeasure {
  /** Entries of each stream, by its key. */
  readonly lengths: ReadonlyMap<string, number>
  /** Memory of the streams. */
  readonly bytes: number
  readonly groups: ReadonlyMap<string, GroupMeasure>
}

/** A group in one stream. */
interface Part extends GroupMeasure {
  readonly group: string
}

/**
 * Measures the log. Costs a call of at most about 3 ms for each group that is far behind, one partition after the
 * other. A backlog is counted exactly up to 1,000 entries a partition; above that it is what Redis says, and where
 * Redis does not know, estimated by time.
 * @param sinks names of groups that there should be: where one is missing, all of the stream is undelivered for it
 * @throws what Redis or the connection answers
 */
export async function measureLog(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  sinks: Iterable<string>,
): Promise<LogMeasure> {
  const lengths = new Map<string, number>()
  const groups = new Map<string, GroupMeasure>()
  let total = 0
  for (const { events } of partitions) {
    const reply = (await measure(redis, [events], [COUNTED, COUNTED_BYTES])) as (string | number)[]
    const [now, length, bytes] = [Number(reply[0]), Number(reply[1]), Number(reply[2])]
    const ageOf = (id: string) => (id === '' ? 0 : Math.max(0, now - receivedAt(id)))
    const first = String(reply[3])
    const parts = partsOf(reply.slice(4), length, ageOf(first), ageOf)
    const missing = [...sinks].filter((sink) => !parts.some(({ group }) => group === sink))
    for (const part of [...parts, ...missing.map((group) => unread(group, length, ageOf(first)))]) {
      groups.set(part.group, together(part, groups.get(part.group)))
    }
    lengths.set(events, length)
    total += bytes
  }
  return { lengths, bytes: total, groups }
}

function* slices<T>(values: readonly T[], size: number): Iterable<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size)
}

function partsOf(
  values: readonly (string | number)[],
  length: number,
  spanMs: number,
  ageOf: (id: string) => number,
): Part[] {
  return Array.from(slices(values, 7), (fields) => {
    const [group, pending, oldestPending, counted, first, complete, lag] = fields
    const [page, known] = [Number(counted), Number(lag)]
    const oldestUndeliveredMs = ageOf(String(first))
    // More than there is is wrong for sure: unread entries were trimmed by hand.
    const told = known >= 0 && known <= length ? known : estimate(page, length, oldestUndeliveredMs, spanMs)
    return {
      group: String(group),
      undelivered: complete === 1 ? page : Math.max(page, told),
      lagKnown: known >= 0,
      pending: Number(pending),
      oldestUndeliveredMs,
      oldestPendingMs: ageOf(String(oldestPending)),
    }
  })
}

/** By how much of the stream's time is undelivered. */
function estimate(page: number, length: number, oldestMs: number, spanMs: number): number {
  return Math.max(page, Math.round(Math.min(1, oldestMs / Math.max(1, spanMs)) * length))
}

function unread(group: string, length: number, ageMs: number): Part {
  return {
    group,
    undelivered: length,
    lagKnown: true,
    pending: 0,
    oldestUndeliveredMs: ageMs,
    oldestPendingMs: 0,
  }
}

function together({ group: _, ...one }: Part, other: GroupMeasure | undefined): GroupMeasure {
  if (!other) return one
  return {
    undelivered: one.undelivered + other.undelivered,
    lagKnown: one.lagKnown && other.lagKnown,
    pending: one.pending + other.pending,
    oldestUndeliveredMs: Math.max(one.oldestUndeliveredMs, other.oldestUndeliveredMs),
    oldestPendingMs: Math.max(one.oldestPendingMs, other.oldestPendingMs),
  }
}
