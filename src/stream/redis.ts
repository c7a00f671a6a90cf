import { type Cluster, Redis, type RedisOptions } from 'ioredis'
import { TransientError } from '../errors.js'

/** A connection to one server, or to the nodes of a Redis Cluster. */
export type RedisClient = Redis | Cluster

/** Options of every connection. */
const COMMON = {
  lazyConnect: true,
  enableAutoPipelining: false,
  // After a failover the same address may lead to another server, but only on a new connection.
  reconnectOnError: (error: Error) => /\bREADONLY\b/.test(error.message),
  // A connection that stays silent this long on a sent command is dead, not slow: reads block for 1 s at most.
  socketTimeout: 10_000,
  retryStrategy: (attempt: number) =>
    Math.min(50 * 2 ** Math.min(attempt, 6), 2_000) * (0.5 + Math.random() / 2),
} satisfies RedisOptions

/**
 * For the edge: a command that cannot be sent, or whose reply is lost, fails at once. ioredis would send it
 * again, and one request would become two entries.
 */
const FAIL_FAST = {
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
} satisfies RedisOptions

/** For workers: a command waits until Redis is back; it is safe to send a worker's commands twice. */
const PATIENT = { maxRetriesPerRequest: null } satisfies RedisOptions

/** Whether a command fails at once or waits while Redis is away. */
export type Manner = 'fail-fast' | 'patient'

/** The options of a connection to one server. */
export function optionsOf(manner: Manner) {
  return { ...COMMON, ...(manner === 'fail-fast' ? FAIL_FAST : PATIENT) }
}

/**
 * Creates a connection to one server, not connected yet; it reconnects by itself. Use `openClient` where there may be a
 * Cluster.
 * @param url `redis://` or `rediss://`
 * @param manner whether a command fails at once or waits while Redis is away
 * @param onError called with every connection error
 */
export function createRedis(url: string, manner: Manner, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, optionsOf(manner))
  redis.on('error', onError)
  return redis
}

/**
 * Connects for the first time, and waits until Redis answers.
 * @throws TransientError that names the host when it does not: a wrong URL should show at the start
 */
export async function connectRedis(redis: Redis): Promise<void> {
  // connect() itself rejects with no more than "Connection is closed".
  let cause: unknown
  const keepCause = (error: Error) => {
    cause = error
  }
  redis.on('error', keepCause)
  try {
    await redis.connect()
  } catch (error) {
    redis.disconnect()
    cause ??= error
    const { host, port } = redis.options
    throw new TransientError(
      `Redis at ${host}:${port} does not answer (${String(cause)}). Is REDIS_URL right?`,
      {
        cause,
      },
    )
  } finally {
    redis.off('error', keepCause)
  }
}

/**
 * Transient errors: the server is full, starting, failing over or read-only, and will recover. Before Redis 7 such an
 * error within a script begins with `ERR Error running script (...): -`.
 */
const TRANSIENT =
  /^(?:ERR Error running script.* -)?(OOM|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|MISCONF|NOREPLICAS|UNBLOCKED|NOGROUP)\b/

/**
 * Classifies an error of Redis.
 * @returns a TransientError for a lost connection or a reply of {@link TRANSIENT}; any other error unchanged, because it
 * is a bug
 */
export function redisError(error: unknown, doing: string): unknown {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return error
  if (error.name === 'ReplyError' && !TRANSIENT.test(error.message)) return error
  return new TransientError(`Redis cannot ${doing} now: ${error.message}`, { cause: error })
}

/** Reads Redis' clock, which also makes the entries' ids. @returns milliseconds since 1970 */
export async function redisTime(redis: RedisClient): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}

/** Runs a call to Redis. @param doing what it does, for the message @throws as {@link redisError} classifies it */
export async function askRedis<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw redisError(error, doing)
  }
}
