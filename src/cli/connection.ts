import { type Config, environment, readConfig, required } from '../config.js'
import { openClient } from '../stream/client.js'
import { type PartitionKeys, partitionKeys } from '../stream/keys.js'
import { type RedisClient, redisError } from '../stream/redis.js'
import { CommandError } from './command.js'

/** What a command that uses only Redis works with. */
export interface Connected {
  readonly config: Config
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
}

/**
 * Connects to REDIS_URL while some work runs.
 * @param doing what Redis is asked to do; follows "Redis cannot" in the message
 * @throws TransientError where Redis cannot do it · CommandError of the work
 */
export async function withRedis<T>(doing: string, work: (connected: Connected) => Promise<T>): Promise<T> {
  const config = readConfig(environment())
  const redis = await openClient(required(config, 'REDIS_URL'), 'fail-fast', () => undefined)
  try {
    return await work({ config, redis, partitions: partitionKeys(config.STREAM_PREFIX, config.PARTITIONS) })
  } catch (error) {
    throw error instanceof CommandError ? error : redisError(error, doing)
  } finally {
    redis.disconnect()
  }
}
