import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openClient } from '../../src/stream/client.js'
import { type Durability, openConfirmations } from '../../src/stream/durability.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { createProducer, type Producer } from '../../src/stream/producer.js'
import { startCluster, type TestCluster } from '../support/cluster.js'
import { freshName } from '../support/fresh.js'
import { ask } from '../support/redis-servers.js'

const ENTRY = { source: 'data-action', delivery: '', trace: '', body: Buffer.from('{"id":"e","type":"t"}') }

describe('on a Redis Cluster', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster.end())

  /** A producer for each of three partitions, all on one connection. */
  async function open(durability: Omit<Durability, 'timeoutMs'>) {
    const client = await openClient(cluster.url, 'fail-fast', () => undefined)
    onTestFinished(() => client.disconnect())
    const confirmations = await openConfirmations(client, { ...durability, timeoutMs: 1_000 })
    const partitions = partitionKeys(freshName('durable'), 3)
    return partitions.map((keys) => ({ keys, producer: createProducer(client, [keys], confirmations) }))
  }

  async function appendAll(all: readonly { readonly producer: Producer }[]): Promise<string[]> {
    const results = await Promise.allSettled(all.map(({ producer }) => producer.append([ENTRY])))
    return results.map((result) => (result.status === 'fulfilled' ? 'kept' : String(result.reason)))
  }

  test('replicated asks the replicas of the very node that has the entry, also after a failover', async () => {
    const all = await open({ mode: 'replicated', replicas: 1 })
    expect(await appendAll(all)).toEqual(['kept', 'kept', 'kept'])
    const events = all[0]?.keys.events ?? ''
    const replica = await cluster.replicaOf(events)
    replica.pause()
    const outcomes = await appendAll(all)
    replica.resume()
    expect(outcomes[0]).toContain('0 of 1 replicas confirmed')
    expect(outcomes.slice(1)).toEqual(['kept', 'kept'])
    await cluster.failOver(events)
    for (const until = Date.now() + 15_000; Date.now() < until; await sleep(50)) {
      if ((await appendAll(all)).every((outcome) => outcome === 'kept')) break
    }
    expect(await appendAll(all)).toEqual(['kept', 'kept', 'kept'])
  })

  test('synced asks each node that takes an entry', async () => {
    const setAll = (value: string) =>
      Promise.all(
        cluster.nodes.map((node) => ask(node, (redis) => redis.config('SET', 'appendfsync', value))),
      )
    await setAll('everysec')
    await expect(open({ mode: 'synced', replicas: 1 })).rejects.toThrow('appendfsync is everysec')
    await setAll('always')
    const all = await open({ mode: 'synced', replicas: 1 })
    expect(await appendAll(all)).toEqual(['kept', 'kept', 'kept'])
    const master = await cluster.masterOf(all[0]?.keys.events ?? '')
    await ask(master, (redis) => redis.config('SET', 'appendfsync', 'everysec'))
    const outcomes = await appendAll(all)
    expect(outcomes[0]).toContain('appendfsync is everysec')
    expect(outcomes.slice(1)).toEqual(['kept', 'kept'])
  })
})
