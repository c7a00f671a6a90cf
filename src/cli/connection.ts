import type { Redis } from 'ioredis'
import { type Config, environment, readConfig, required } from '../config.js'
import { type PartitionKeys, partitionKeys } from '../stream/keys.js'
import { connectRedis, createRedis, redisError } from '../stream/redis.js'
import { CommandError } from './command.js'

/** What a command that asks Redis alone works with. */
export interface Connected {
  readonly config: Config
  readonly redis: Redis
  readonly partitions: readonly PartitionKeys[]
}

/**
 * Connects to REDIS_URL for the time of some work.
 * @param doing what Redis is asked to do, for the message
 * @throws TransientError where Redis cannot · CommandError as the work throws it
 */
export async function withRedis<T>(doing: string, work: (connected: Connected) => Promise<T>): Promise<T> {
  const config = readConfig(environment())
  const redis = createRedis(required(config, 'REDIS_URL'), 'fail-fast', () => undefined)
  await connectRedis(redis)
  try {
    return await work({ config, redis, partitions: partitionKeys(config.STREAM_PREFIX, config.PARTITIONS) })
  } catch (error) {
    throw error instanceof CommandError ? error : redisError(error, doing)
  } finally {
    redis.disconnect()
  }
}
