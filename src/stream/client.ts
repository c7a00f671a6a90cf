import { Cluster, type ClusterOptions, type Redis } from 'ioredis'
import { TransientError } from '../errors.js'
import { askRedis, connectRedis, createRedis, type Manner, optionsOf, type RedisClient } from './redis.js'

/** Number of slots of every Redis Cluster. */
const SLOTS = 16_384

/**
 * Options of every connection to a Cluster. Commands go to masters only. Even on a patient connection a command waits
 * for about a second at most: then it fails, and its caller retries it.
 */
const COMMON = {
  lazyConnect: true,
  // A Cluster that has lost a master still serves the other slots, and refuses commands for the lost ones.
  enableReadyCheck: false,
  // A frozen master sends no redirections: only the other nodes know which node replaced it.
  slotsRefreshInterval: 5_000,
  // Keeps the host name, because a certificate names the host and not its address.
  dnsLookup: (address, done) => done(null, address),
} satisfies ClusterOptions

/**
 * Unless these are 0, ioredis resends a command whose connection was lost. It still follows redirections: Redis has not
 * run a command that it redirects.
 */
const FAIL_FAST = {
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
} satisfies ClusterOptions

/**
 * Connects to the Redis of REDIS_URL and waits until it answers; after that the connection reconnects by itself.
 * @param urls `redis://` or `rediss://`: one server, or any nodes of one Redis Cluster, comma-separated
 * @param manner whether a command fails at once or waits while Redis is away
 * @param onError called with every connection error
 * @throws TransientError that names the host when it does not answer
 */
export async function openClient(
  urls: string,
  manner: Manner,
  onError: (error: Error) => void,
): Promise<RedisClient> {
  const seeds = urls.split(/,\s*(?=rediss?:)/)
  const seed = await firstThatAnswers(seeds, manner, onError)
  if (
    /^cluster_enabled:1/m.test(await askRedis('find out whether it is a Cluster', () => seed.info('cluster')))
  ) {
    seed.disconnect()
    return await openCluster(seeds, seed, manner, onError)
  }
  if (seeds.length === 1) return seed
  seed.disconnect()
  const { host, port } = seed.options
  throw new Error(`REDIS_URL names several servers, but ${host}:${port} is not a node of a Redis Cluster`)
}

/**
 * Checks that Redis serves every key now.
 * @throws TransientError with the cause when it does not, such as a Cluster that has lost a master
 */
export async function checkRedis(redis: RedisClient): Promise<void> {
  await askRedis('serve all keys', async () => {
    if (!(redis instanceof Cluster)) return void (await redis.ping())
    const served = Number(/^cluster_slots_ok:(\d+)/m.exec(String(await redis.cluster('INFO')))?.[1])
    if (served !== SLOTS) throw new Error(`its nodes serve ${served} of ${SLOTS} slots`)
  })
}

async function firstThatAnswers(
  seeds: readonly string[],
  manner: Manner,
  onError: (error: Error) => void,
): Promise<Redis> {
  let last: unknown
  for (const url of seeds) {
    const redis = createRedis(url, manner, onError)
    try {
      await connectRedis(redis)
      return redis
    } catch (error) {
      last = error
    }
  }
  throw last
}

async function openCluster(
  seeds: readonly string[],
  seed: Redis,
  manner: Manner,
  onError: (error: Error) => void,
): Promise<Cluster> {
  const { username, password, tls, host, port } = seed.options
  const secrets = { ...(username && { username }), ...(password && { password }), ...(tls && { tls }) }
  const redisOptions = { ...optionsOf(manner), ...secrets }
  const clusterRetryStrategy = redisOptions.retryStrategy
  const options = { ...COMMON, ...(manner === 'fail-fast' && FAIL_FAST), redisOptions, clusterRetryStrategy }
  const cluster = new Cluster([...seeds], options)
  cluster.on('error', onError)
  cluster.on('node error', onError)
  if (manner === 'fail-fast') cluster.on('+node', connectSoon)
  try {
    await cluster.connect()
  } catch (cause) {
    cluster.disconnect()
    const what = `The Redis Cluster of ${host}:${port} does not answer (${String(cause)})`
    throw new TransientError(`${what}. Is REDIS_URL right?`, { cause })
  }
  // A node that is down now is not needed at the start.
  await Promise.allSettled(cluster.nodes('master').map((node) => node.ping()))
  return cluster
}

/** ioredis connects to a node with its first command; in fail-fast mode the next commands would fail until then. */
function connectSoon(node: Redis): void {
  setImmediate(() => {
    if (node.status === 'wait') node.connect().catch(() => undefined)
  })
}
