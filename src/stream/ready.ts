import type { PartitionKeys } from './keys.js'
import { askRedis, type RedisClient } from './redis.js'

/**
 * Checks that Redis accepts appends to every partition now. It appends with NOMKSTREAM to a stream that never exists: this
 * changes nothing, and Redis refuses it when it would refuse an event. Costs a command of 2 us per partition.
 * @throws TransientError with Redis' error when it is full, read-only, a replica, or away
 */
export async function checkAppends(redis: RedisClient, partitions: readonly PartitionKeys[]): Promise<void> {
  await askRedis('take events', () =>
    Promise.all(
      partitions.map(({ events }) => redis.xadd(`${events}:ready`, 'NOMKSTREAM', '*', 'ready', '1')),
    ),
  )
}
