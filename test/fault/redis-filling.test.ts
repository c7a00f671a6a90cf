import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { type RoleProcess, readStats } from '../../src/dev/roles.js'
import type { BacklogFigures } from '../../src/edge/backlog-watch.js'
import type { EdgeStats } from '../../src/edge/traffic.js'
import { readMemory } from '../../src/stream/memory.js'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'
import { until } from '../support/stream.js'

type Figures = EdgeStats & { readonly backlog: BacklogFigures }

const MAX_MEMORY = 8_000_000

test('an edge without workers stops accepting before Redis is full, and all that it accepted drains', async () => {
  const rig = await createRig()
  const redis = new Redis(rig.redis.url)
  onTestFinished(() => redis.disconnect())
  await redis.config('SET', 'maxmemory', MAX_MEMORY)
  // Workers that read 1,000 entries need some MB for the replies alone.
  const edge = await rig.start('edge', { REDIS_RESERVE_PERCENT: '60' })
  const traffic = rig.send({ rate: 1_500, seconds: 4, seed: 6 })
  await until(async () => (await figures(edge)).refused.backlogged > 50, 60_000)
  // The senders obey Retry-After: what still comes fills the rest ever more slowly.
  await until(async () => (await figures(edge)).backlog.admitted < 0.3, 30_000)
  const closed = await figures(edge)
  expect(closed.backlog.memory).toBeGreaterThan(0.36)
  expect(closed.backlog.memory).toBeLessThan(0.46)
  // It was sent more than fits.
  expect(closed.accepted).toBeGreaterThan(500)
  const { status } = await fetch(`http://127.0.0.1:${edge.adminPort}/readyz`)
  expect(status).toBe(200)

  // In the reserve: acknowledgements, and the dead letters of what the samples have of them.
  await Promise.all([rig.start('postgres'), rig.start('mongo')])
  await rig.drain()
  expect(await redis.xlen('cxone:{0}:dead')).toBeGreaterThan(10)
  expect((await figures(edge)).refused).toMatchObject({ unavailable: 0, timeout: 0 })

  await redis.config('SET', 'maxmemory', 10 * MAX_MEMORY)
  const report = await traffic
  await expectNothingLost(rig, report)
  expect((await figures(edge)).backlog.admitted).toBe(1)
  expect(report.acknowledged.length).toBeGreaterThan(closed.accepted)
  expect(await redis.info('errorstats')).not.toContain('errorstat_OOM')

  // All is acknowledged, and only kept to be replayed: that makes room, long before REPLAY_WINDOW_MS is over.
  const [memory] = await readMemory(redis)
  await redis.config('SET', 'maxmemory', Math.round((memory?.used ?? 0) / 0.4 / 0.97))
  await until(async () => (await figures(edge)).backlog.admitted < 0.5)
  const trimming = { TRIM_EVERY_MS: '200', SINKS_NOT_RUN: 'feed,interactions' }
  await rig.start('maintenance', { REDIS_RESERVE_PERCENT: '60', ...trimming })
  await until(async () => (await figures(edge)).backlog.admitted === 1)
})

async function figures(edge: RoleProcess): Promise<Figures> {
  const read = await readStats<Figures>(edge)
  if (!read) throw new Error('the edge tells no figures')
  return read
}
