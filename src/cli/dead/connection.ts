import type { Redis } from 'ioredis'
import { type Config, environment, readConfig, required } from '../../config.js'
import { type PartitionKeys, partitionKeys } from '../../stream/keys.js'
import { connectRedis, createRedis, redisError } from '../../stream/redis.js'

/** What every `tributary dead ...` works with. */
export interface Post {
  readonly config: Config
  readonly redis: Redis
  readonly partitions: readonly PartitionKeys[]
}

/** Connects to REDIS_URL for the time of some work. @throws TransientError where Redis cannot */
export async function withPost<T>(work: (post: Post) => Promise<T>): Promise<T> {
  const config = readConfig(environment())
  const redis = createRedis(required(config, 'REDIS_URL'), 'fail-fast', () => undefined)
  await connectRedis(redis)
  try {
    return await work({ config, redis, partitions: partitionKeys(config.STREAM_PREFIX, config.PARTITIONS) })
  } catch (error) {
    throw redisError(error, 'work on dead letters')
  } finally {
    redis.disconnect()
  }
}
