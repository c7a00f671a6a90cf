import { fedSinks } from '../config/sinks.js'
import { type Config, required } from '../config.js'
import { openClient } from '../stream/client.js'
import { DeadLetterCounter } from '../stream/dead-letters/counter.js'
import { allFigures, type GroupFigures } from '../stream/groups.js'
import { partitionKeys } from '../stream/keys.js'
import { askRedis, type RedisClient } from '../stream/redis.js'

/** The status of all sinks. */
export interface Status {
  readonly groups: readonly GroupStatus[]
  /** What the edge kept as dead letters. */
  readonly edge: {
    readonly deadLetters: number
    /** The HTTP server of the edge in this process; `undefined` where it has no edge. */
    readonly http?: string | undefined
  }
}

/** A group, and the dead letters of its sink. */
export interface GroupStatus extends GroupFigures {
  readonly deadLetters: number
}

/**
 * Reads the figures of every sink that a contract feeds and a role serves, and of every other group of the streams.
 * Costs Redis about 3 ms for 1,000 dead letters, in steps of that length.
 * @param roles names of all existing roles
 * @throws the errors of Redis and of the connection
 */
export async function readStatus(
  redis: RedisClient,
  config: Config,
  roles: readonly string[],
): Promise<Status> {
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const fed = [...fedSinks(config.SINKS_NOT_RUN).keys()].filter((sink) => roles.includes(sink))
  const letters = await new DeadLetterCounter(redis, partitions).count()
  const figures = await allFigures(redis, partitions, fed, config.LEASE_MS)
  const groups = figures.map((one) => ({ ...one, deadLetters: letters.get(one.group) ?? 0 }))
  return { groups, edge: { deadLetters: letters.get('edge') ?? 0 } }
}

/** The status as JSON, with every figure: `null` where there is no value. */
export function statusJson(status: Status): string {
  return JSON.stringify(status, (_, value: unknown) => (value === undefined ? null : value))
}

/** How long figures count as fresh, in ms: more frequent requests do not make Redis count more often. */
const FRESH_MS = 1_000

/**
 * Shares one reading among all callers while it runs, and for a second from its start.
 * @param read makes a reading; a failure is not cached
 */
export function sharedFor<T>(read: () => Promise<T>, freshMs = FRESH_MS): () => Promise<T> {
  let last: { readonly reading: Promise<T>; readonly since: number } | undefined
  return () => {
    if (last && performance.now() - last.since < freshMs) return last.reading
    const own = { reading: read(), since: performance.now() }
    last = own
    own.reading.catch(() => {
      if (last === own) last = undefined
    })
    return own.reading
  }
}

/** {@link readStatus} over a connection that is opened with the first request. */
export interface StatusPage {
  /** @returns JSON, at most one second old @throws TransientError where Redis does not answer */
  read(): Promise<string>
  close(): Promise<void>
}

/**
 * @param roles names of all existing roles
 * @param http the HTTP server of the edge in this process, where there is one
 */
export function openStatusPage(config: Config, roles: readonly string[], http?: string): StatusPage {
  let opening: Promise<RedisClient> | undefined
  const open = () => {
    opening ??= openClient(required(config, 'REDIS_URL'), 'fail-fast', () => undefined)
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
  return {
    read: sharedFor(async () => {
      const redis = await open()
      const status = await askRedis('read the figures', () => readStatus(redis, config, roles))
      return `${statusJson({ ...status, edge: { ...status.edge, http } })}\n`
    }),
    close: async () => (await opening?.catch(() => undefined))?.disconnect(),
  }
}
