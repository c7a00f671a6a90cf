import { type PartitionKeys, partitionKeys } from './keys.js'
import { groupFigures } from './lag.js'
import type { RedisClient } from './redis.js'

/** PARTITIONS is never more. */
const MOST_PARTITIONS = 256

/**
 * Partitions beyond those that are read which hold entries for a group: PARTITIONS is lower than it has been, or
 * lower here than at the edge. Costs a command for each partition that there could be: for the start alone.
 * @returns the numbers of the partitions, in order
 */
export async function unreadPartitions(
  redis: RedisClient,
  prefix: string,
  partitions: number,
  group: string,
): Promise<number[]> {
  const others = partitionKeys(prefix, MOST_PARTITIONS).slice(partitions)
  const held = await Promise.all(others.map((keys) => holdsEntries(redis, keys, group)))
  return others.filter((_, i) => held[i]).map(({ partition }) => partition)
}

async function holdsEntries(redis: RedisClient, keys: PartitionKeys, group: string): Promise<boolean> {
  if ((await redis.exists(keys.events)) === 0) return false
  const { undelivered, pending } = await groupFigures(redis, [keys], group, 0)
  return undelivered + pending > 0
}
