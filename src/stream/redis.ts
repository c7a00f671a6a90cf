import { type Cluster, Redis, type RedisOptions } from 'ioredis'
import { TransientError } from '../errors.js'

/** A connection to one server, or to the nodes of a Redis Cluster. */
export type RedisClient = Redis | Cluster

/** What every connection has in common. */
const COMMON = {
  lazyConnect: true,
  enableAutoPipelining: false,
  // After a failover the same address may lead to another server, but only for a new connection.
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

/** For workers: a command waits for Redis to come back; what workers send may be sent twice. */
const PATIENT = { maxRetriesPerRequest: null } satisfies RedisOptions

/** What becomes of a command while Redis is away: it fails at once, or waits. */
export type Manner = 'fail-fast' | 'patient'

/** The options of a connection to one server. */
export function optionsOf(manner: Manner) {
  return { ...COMMON, ...(manner === 'fail-fast' ? FAIL_FAST : PATIENT) }
}

/**
 * A connection to one server, not yet made; it reconnects by itself. Where there may be a Cluster: `openClient`.
 * @param url `redis://` or `rediss://`
 * @param manner what becomes of a command while Redis is away
 * @param onError is told of every connection error
 */
export function createRedis(url: string, manner: Manner, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, optionsOf(manner))
  redis.on('error', onError)
  return redis
}

/**
 * Connects for the first time, and waits until Redis answers.
 * @throws TransientError that names the host where it does not: a wrong URL is best known at the start
 */
export async function connectRedis(redis: Redis): Promise<void> {
  // connect() itself rejects with no more than "Connection is closed".
  let cause: unknown
  const note = (error: Error) => {
    cause = error
  }
  redis.on('error', note)
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
    redis.off('error', note)
  }
}

/**
 * Replies of a server that is full, starting, failing over or read-only: it will be able to again. Before
 * Redis 7 the same from within a script stands behind `ERR Error running script (...): -`.
 */
const PASSING =
  /^(?:ERR Error running script.* -)?(OOM|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|MISCONF|NOREPLICAS|UNBLOCKED|NOGROUP)\b/

/**
 * @returns a TransientError for what passes by itself: no connection, or a reply of {@link PASSING}; every other
 * error as it is, because it is a bug
 */
export function redisError(error: unknown, doing: string): unknown {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return error
  if (error.name === 'ReplyError' && !PASSING.test(error.message)) return error
  return new TransientError(`Redis cannot ${doing} now: ${error.message}`, { cause: error })
}

/** The clock that made the entries' ids. @returns milliseconds since 1970 */
export async function redisTime(redis: RedisClient): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
}

/** Asks Redis for something. @throws {@link redisError} */
export async function askRedis<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw redisError(error, doing)
  }
}
