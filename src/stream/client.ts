import { Cluster, type ClusterOptions, type Redis } from 'ioredis'
import { TransientError } from '../errors.js'
import { askRedis, connectRedis, createRedis, type Manner, optionsOf, type RedisClient } from './redis.js'

/** Of every Redis Cluster. */
const SLOTS = 16_384

/**
 * What every connection to a Cluster has in common. Commands go to masters alone. What a patient one waits for is
 * over after about a second: then the command fails, and whoever sent it tries again.
 */
const COMMON = {
  lazyConnect: true,
  // A Cluster that has lost a master serves the other slots, and says itself what it cannot do.
  enableReadyCheck: false,
  // A frozen master redirects nobody: only asking the others tells who has taken its place.
  slotsRefreshInterval: 5_000,
  // As it was given, because a certificate names the host and not its address.
  dnsLookup: (address, done) => done(null, address),
} satisfies ClusterOptions

/**
 * ioredis sends a command again whose connection was lost, unless these are 0. It still follows redirections: what
 * is redirected has not been run.
 */
const FAIL_FAST = {
  enableOfflineQueue: false,
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
} satisfies ClusterOptions

/**
 * Connects to what REDIS_URL names, and waits until it answers; from then on it reconnects by itself.
 * @param urls `redis://` or `rediss://`: one server, or any nodes of one Redis Cluster, comma-separated
 * @param manner what becomes of a command while Redis is away
 * @param onError is told of every connection error
 * @throws TransientError that names the host where it does not answer
 */
export async function openClient(
  urls: string,
  manner: Manner,
  onError: (error: Error) => void,
): Promise<RedisClient> {
  const seeds = urls.split(/,\s*(?=rediss?:)/)
  const seed = await firstThatAnswers(seeds, manner, onError)
  if (
    /^cluster_enabled:1/m.test(await askRedis('tell whether it is a Cluster', () => seed.info('cluster')))
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
 * Whether Redis serves every key now.
 * @throws TransientError with the cause where it does not, as a Cluster that has lost a master
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
  // A node that is down now is not needed to begin with.
  await Promise.allSettled(cluster.nodes('master').map((node) => node.ping()))
  return cluster
}

/** ioredis connects to a node with the first command; fail-fast, the next ones would fail until it is connected. */
function connectSoon(node: Redis): void {
  setImmediate(() => {
    if (node.status === 'wait') node.connect().catch(() => undefined)
  })
}
