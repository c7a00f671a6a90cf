import type { PartitionKeys } from './keys.js'
import { askRedis, type RedisClient } from './redis.js'

/**
 * Whether Redis takes appends to every partition now. It is asked to append to a stream that never exists, and must
 * not make one: it changes nothing, and refuses as it would refuse an event. Costs a command of 2 us a partition.
 * @throws TransientError with what it answers where it is full, read-only, a replica, or away
 */
export async function checkAppends(redis: RedisClient, partitions: readonly PartitionKeys[]): Promise<void> {
  await askRedis('take events', () =>
    Promise.all(
      partitions.map(({ events }) => redis.xadd(`${events}:ready`, 'NOMKSTREAM', '*', 'ready', '1')),
    ),
  )
}
