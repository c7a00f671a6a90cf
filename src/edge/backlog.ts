import type { PartitionKeys } from '../stream/keys.js'
import { type GroupLag, oldestAgeMs, readLag, type StreamLag, unread } from '../stream/lag.js'
import type { RedisClient } from '../stream/redis.js'

/** What one group has still to do, in all partitions together; estimates, but for the age. */
export interface GroupBacklog {
  /** {@link NOBODY}: of streams that have no group at all. */
  readonly group: string
  /** Entries that it has not read, or not acknowledged. */
  readonly entries: number
  /** Memory that these entries take. */
  readonly bytes: number
  /** Age of the oldest of them, in ms by Redis' clock; 0 without any. */
  readonly ageMs: number
  /**
   * Entries that it has acknowledged since it exists: two readings tell its speed. `undefined` where Redis does not
   * know (before 7.0, or because entries were deleted by hand until the group has caught up).
   */
  readonly acknowledged: number | undefined
}

/** What waits in the log. */
export interface Backlog {
  /** Memory of the entries that some group has not acknowledged. */
  readonly bytes: number
  /** By name, the furthest behind first. */
  readonly groups: readonly GroupBacklog[]
}

/** Whose work the entries of a stream are that has no group yet. */
export const NOBODY = ''

/**
 * Estimates what waits to be acknowledged. Costs Redis what a `glance` does (see `Precision`): bodies stay where they are.
 * @param ignored groups that are not meant to run
 * @throws what Redis or the connection answers
 */
export async function readBacklog(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  ignored: ReadonlySet<string>,
): Promise<Backlog> {
  const groups = new Map<string, GroupBacklog>()
  let bytes = 0
  for (const stream of await readLag(redis, partitions, 'glance')) {
    const lags = stream.hasGroups ? stream.groups : [unread(NOBODY, stream)]
    const parts = lags.filter(({ group }) => !ignored.has(group)).map((lag) => backlogOf(lag, stream))
    bytes += Math.max(0, ...parts.map((part) => part.bytes))
    for (const part of parts) {
      const known = groups.get(part.group)
      groups.set(part.group, known ? together(known, part) : part)
    }
  }
  return { bytes, groups: [...groups.values()].sort((a, b) => b.bytes - a.bytes) }
}

function backlogOf(lag: GroupLag, { bytes, length }: StreamLag): GroupBacklog {
  const entries = lag.pending + lag.undelivered
  return {
    group: lag.group,
    entries,
    bytes: length > 0 ? (entries * bytes) / length : 0,
    ageMs: oldestAgeMs(lag) ?? 0,
    acknowledged: lag.acknowledged,
  }
}

function together(one: GroupBacklog, other: GroupBacklog): GroupBacklog {
  const acknowledged = [one.acknowledged, other.acknowledged]
  return {
    group: one.group,
    entries: one.entries + other.entries,
    bytes: one.bytes + other.bytes,
    ageMs: Math.max(one.ageMs, other.ageMs),
    acknowledged: acknowledged.includes(undefined)
      ? undefined
      : (one.acknowledged ?? 0) + (other.acknowledged ?? 0),
  }
}
