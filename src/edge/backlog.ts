import type { PartitionKeys } from '../stream/keys.js'
import { type GroupLag, oldestAgeMs, readLag, type StreamLag, unread } from '../stream/lag.js'
import type { RedisClient } from '../stream/redis.js'

/** The backlog of one group over all partitions; all figures but the age are estimates. */
export interface GroupBacklog {
  /** {@link NO_GROUP} for streams that have no group. */
  readonly group: string
  /** Entries that the group has not read or not acknowledged. */
  readonly entries: number
  /** Memory that these entries take. */
  readonly bytes: number
  /** Age of the oldest of them, in ms by Redis' clock; 0 where there are none. */
  readonly ageMs: number
  /**
   * Entries that the group has acknowledged since it exists: two readings give its speed. `undefined` where Redis
   * does not know the number (before 7.0, or after entries were deleted by hand, until the group has caught up).
   */
  readonly acknowledged: number | undefined
}

/** The backlog of the log. */
export interface Backlog {
  /** Memory of the entries that at least one group has not acknowledged, in bytes. */
  readonly bytes: number
  /** Sorted by bytes, largest first. */
  readonly groups: readonly GroupBacklog[]
}

/** Group name for the entries of a stream that has no group yet. */
export const NO_GROUP = ''

/**
 * Estimates the backlog. Costs Redis as much as a `glance` (see `Precision`): it reads no bodies.
 * @param ignored groups that are not meant to run
 * @throws the errors of Redis and of the connection
 */
export async function readBacklog(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  ignored: ReadonlySet<string>,
): Promise<Backlog> {
  const groups = new Map<string, GroupBacklog>()
  let bytes = 0
  for (const stream of await readLag(redis, partitions, 'glance')) {
    const lags = stream.hasGroups ? stream.groups : [unread(NO_GROUP, stream)]
    const parts = lags.filter(({ group }) => !ignored.has(group)).map((lag) => backlogOf(lag, stream))
    bytes += Math.max(0, ...parts.map((part) => part.bytes))
    for (const part of parts) {
      const known = groups.get(part.group)
      groups.set(part.group, known ? sum(known, part) : part)
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

function sum(a: GroupBacklog, b: GroupBacklog): GroupBacklog {
  const acknowledged = [a.acknowledged, b.acknowledged]
  return {
    group: a.group,
    entries: a.entries + b.entries,
    bytes: a.bytes + b.bytes,
    ageMs: Math.max(a.ageMs, b.ageMs),
    acknowledged: acknowledged.includes(undefined)
      ? undefined
      : (a.acknowledged ?? 0) + (b.acknowledged ?? 0),
  }
}
