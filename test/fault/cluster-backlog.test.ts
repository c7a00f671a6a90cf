import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { Admission } from '../../src/edge/admission.js'
import { BacklogWatch } from '../../src/edge/backlog-watch.js'
import { readMemory } from '../../src/stream/memory.js'
import { startCluster } from '../support/cluster.js'
import { newEntry } from '../support/entries.js'
import { recordedLog } from '../support/log.js'
import { openStream } from '../support/stream.js'

test('on a Redis Cluster the fullest master counts, and the backlog of all', async () => {
  const cluster = await startCluster()
  onTestFinished(() => cluster.end())
  const stream = await openStream({ url: cluster.url, partitions: 6 })
  onTestFinished(() => stream.end())
  const { redis, keys, producer } = stream
  for (let i = 0; i < 12; i++) await producer.append(Array(50).fill(newEntry('cdc', 'x'.repeat(1_000))))
  const memories = await readMemory(redis)
  expect(new Set(memories.map(({ server }) => server)).size).toBe(3)

  const admission = new Admission()
  const { log } = recordedLog()
  const budget = { maxBytes: 0, maxAgeMs: 0, reservePercent: 20 }
  const watch = new BacklogWatch({ redis, partitions: keys, budget, ignored: new Set(), admission, log })
  await watch.read()
  expect(watch.figures().admitted).toBe(1)
  expect(watch.figures().bytes).toBeGreaterThan(600 * 1_000)
  expect(watch.figures().ageMs).toBeGreaterThan(0)

  const { hostname, port } = new URL((await cluster.masterOf(keys[0]?.events ?? '')).url)
  const used = memories.find(({ server }) => server === `${hostname}:${port}`)?.used ?? 0
  await redis.set(`${keys[0]?.events}:others`, 'x'.repeat(1_000_000))
  const master = new Redis(Number(port), hostname)
  onTestFinished(() => master.disconnect())
  await master.config('SET', 'maxmemory', used + 1_000_000)
  await watch.read()
  expect(watch.figures().admitted).toBe(0)
  expect(watch.figures().memory).toBeGreaterThan(0.8)
})
