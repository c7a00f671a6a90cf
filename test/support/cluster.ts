import { Redis } from 'ioredis'
import { freePort } from '../../src/dev/services/port.js'
import { run } from '../../src/dev/services/run.js'
import type { Service } from '../../src/dev/services/service.js'
import { type OwnServers, ownServers } from './own.js'
import { until } from './stream.js'

const MASTERS = 3
const NODES = 2 * MASTERS
const NEVER = new AbortController().signal

const SETTINGS = {
  'cluster-enabled': 'yes',
  // A master that is silent so long, in ms, is failed over.
  'cluster-node-timeout': '2000',
  // A replica is synchronised at once instead of waiting for others that might come.
  'repl-diskless-sync-delay': '0',
  // A replica that has just lost its master is fit to take over, however long it has been connected.
  'cluster-replica-validity-factor': '0',
}

/** Three masters with a replica each, real servers of a test's own. */
export interface TestCluster {
  /** Of the first node: the others are found. */
  readonly url: string
  readonly nodes: readonly Service[]
  /** The server that has a key now. */
  masterOf(key: string): Promise<Service>
  /** Its replica. */
  replicaOf(key: string): Promise<Service>
  /** Resolves when every node serves: on a busy machine nodes take each other for dead now and then. */
  ready(): Promise<void>
  /** Makes the replica the master, in order: no write is lost. */
  failOver(key: string): Promise<void>
  end(): Promise<void>
}

/** Starts a Redis Cluster and waits until it serves and its replicas follow; about 5 s. */
export async function startCluster(): Promise<TestCluster> {
  // A folder each, so that a later run finds what this one may leave behind.
  const own: OwnServers[] = Array.from({ length: NODES }, () => ownServers(() => undefined))
  const end = async () => void (await Promise.all(own.map((servers) => servers.end())))
  try {
    const nodes = await Promise.all(
      // Nodes talk on a second port; the usual one, 10,000 higher, need not be free, nor be a port at all.
      own.map(async (servers) =>
        servers.redis({}, { ...SETTINGS, 'cluster-port': String(await freePort()) }),
      ),
    )
    const addresses = nodes.map(({ url }) => new URL(url).host)
    const options = ['--cluster-replicas', '1', '--cluster-yes']
    await run('redis-cli', ['--cluster', 'create', ...addresses, ...options], {
      signal: NEVER,
      timeoutMs: 60_000,
    })
    const ready = () => until(async () => (await Promise.all(nodes.map(isSettled))).every(Boolean), 60_000)
    await ready()
    return { ...located(nodes), ready, url: nodes[0]?.url ?? '', nodes, end }
  } catch (error) {
    await end()
    throw error
  }
}

function located(nodes: readonly Service[]): Pick<TestCluster, 'masterOf' | 'replicaOf' | 'failOver'> {
  // Each range of slots goes on with its servers, the master first: host, port and more.
  const find = async (key: string, which: 0 | 1) => {
    for (const node of nodes) {
      const port = await ask(node, async (redis) => {
        const slot = await redis.cluster('KEYSLOT', key)
        const ranges = await redis.cluster('SLOTS')
        return ranges.find(([from, to]) => from <= slot && slot <= to)?.[2 + which]
      }).catch(() => undefined)
      const found = nodes.find(({ url }) => Array.isArray(port) && Number(new URL(url).port) === port[1])
      if (found) return found
    }
    throw new Error(`no node that answers knows where ${key} is`)
  }
  return {
    masterOf: (key) => find(key, 0),
    replicaOf: (key) => find(key, 1),
    failOver: async (key) => {
      const replica = await find(key, 1)
      await ask(replica, (redis) => redis.cluster('FAILOVER'))
      await until(async () => (await find(key, 0)) === replica)
    },
  }
}

/** Whether a node sees all slots served by a master and a replica, and is itself in step with its own. */
async function isSettled(node: Service): Promise<boolean> {
  return await ask(node, async (redis) => {
    const ranges = await redis.cluster('SLOTS')
    const replication = await redis.info('replication')
    return (
      ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0) === 16_384 &&
      ranges.every((range) => range.length === 4) &&
      /master_link_status:up|connected_slaves:1/.test(replication) &&
      String(await redis.cluster('INFO')).includes('cluster_state:ok')
    )
  })
}

/** Asks one node something, on a connection of its own. */
async function ask<T>({ url }: Pick<Service, 'url'>, what: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  redis.on('error', () => undefined)
  try {
    return await what(redis)
  } finally {
    redis.disconnect()
  }
}
