import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { balances, takeLedger } from '../../src/dev/ledger/ledger.js'
import { openStores } from '../../src/dev/ledger/stores.js'
import { type RoleProcess, readStats } from '../../src/dev/roles.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { createRedis } from '../../src/stream/redis.js'
import { createRig, type Rig } from '../support/rig.js'
import { until } from '../support/stream.js'

/** A window of nothing: what every group has acknowledged goes at once, ten times a second. */
const HASTY = {
  ...{ REPLAY_WINDOW_MS: '0', TRIM_EVERY_MS: '100', SINKS_NOT_RUN: 'interactions,feed' },
  // The lease of the elected replica is three of these.
  MEASURE_EVERY_MS: '200',
}
const LOG = 'cxone:{0}:events'
/** A copy of the log, by a group of its own: the ledger needs what was trimmed. */
const COPY = 'copy:{0}:events'

test('a maintenance that is killed under traffic loses nothing, and the next one goes on', async () => {
  const rig = await createRig()
  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  const copying = copyLog(redis)
  await Promise.all([rig.start('edge'), rig.start('postgres'), rig.start('mongo')])
  const traffic = rig.send({ rate: 150, seconds: 15, seed: 9 })
  let trimmed = 0
  for (let round = 0; round < 4; round++) {
    const both = await Promise.all([rig.start('maintenance', HASTY), rig.start('maintenance', HASTY)])
    await sleep(2_000)
    const figures = await Promise.all(both.map((one) => readStats<{ trimmed: number }>(one)))
    trimmed += figures.reduce((sum, one) => sum + (one?.trimmed ?? 0), 0)
    for (const one of both) one.kill('SIGKILL')
    await Promise.all(both.map(({ exited }) => exited))
  }
  expect(trimmed).toBeGreaterThan(100)
  const last = await rig.start('maintenance', HASTY)
  const report = await traffic
  expect(report.unexpected).toEqual([])
  await rig.drain()
  await until(async () => (await redis.xlen(LOG)) <= 100, 30_000)
  last.kill('SIGTERM')
  expect(await last.exited).toBe(0)
  await copying.end()
  for (const ledger of await ledgerOf(rig, redis, report.acknowledged)) {
    expect(ledger).toMatchObject({ lost: [], doubled: [], pending: 0 })
    expect(ledger.delivered).toBeGreaterThan(report.acknowledged.length / 4)
    expect(balances(ledger)).toBe(true)
  }
})

/** Reads the log as one more group, which holds back the trimming like every other. */
function copyLog(redis: Redis): { end(): Promise<void> } {
  let ending = false
  const copy = async () => {
    await redis.xgroup('CREATE', LOG, 'copy', '0', 'MKSTREAM')
    for (;;) {
      const asked = ending
      const reply = await redis.callBuffer(
        ...(['XREADGROUP', 'GROUP', 'copy', 'one', 'COUNT', 200, 'STREAMS', LOG, '>'] as const),
      )
      const entries = ((reply as [unknown, [Buffer, Buffer[]][]] | null) ?? [])[1] ?? []
      if (asked && entries.length === 0) return
      for (const [id, fields] of entries) await redis.xadd(COPY, id, ...fields)
      if (entries.length > 0) await redis.call('XACK', [LOG, 'copy', ...entries.map(([id]) => id)])
      else await sleep(20)
    }
  }
  const copied = copy()
  copied.catch(() => undefined)
  return {
    end: () => {
      ending = true
      return copied
    },
  }
}

/** By the copy: that its groups have nothing left to do is what `drain` has waited for. */
async function ledgerOf({ postgres, mongo }: Rig, redis: Redis, acknowledged: readonly string[]) {
  for (const group of ['postgres', 'mongo']) await redis.xgroup('CREATE', COPY, group, '$')
  const databases = { MONGODB_STATE_DATABASE: 'cxone', MONGODB_EVENTS_DATABASE: 'cxone_events' }
  const stores = openStores(databases, { postgres: postgres.url, mongo: mongo.url })
  const partitions = partitionKeys('cxone', 1).map((keys) => ({ ...keys, events: COPY }))
  const sources = { redis, partitions, stores: stores.all, feed: [], maxClockSkewMs: 600_000 }
  return await takeLedger(acknowledged, sources).finally(() => stores.close())
}

test('a Redis that restarts does not end the maintenance; SIGTERM does, with and without Redis', async () => {
  const rig = await createRig()
  const [one, other] = await Promise.all([rig.start('maintenance', HASTY), rig.start('maintenance', HASTY)])
  const turns = async () =>
    (await Promise.all([one, other].map((role) => readStats<{ turns: number }>(role)))).reduce(
      (sum, figures) => sum + (figures?.turns ?? 0),
      0,
    )
  await until(async () => (await turns()) > 5)
  await rig.redis.kill()
  await sleep(1_500)
  await rig.redis.start()
  const before = await turns()
  await until(async () => (await turns()) > before + 5, 30_000)
  one.kill('SIGTERM')
  expect(await one.exited).toBe(0)
  await rig.redis.kill()
  await sleep(500)
  other.kill('SIGTERM')
  expect(await other.exited).toBe(0)
})

test('a replica whose clock was an hour fast does not end the maintenance for an hour', async () => {
  const rig = await createRig()
  const preload = resolve(import.meta.dirname, '../chaos/preload/clock.mjs')
  const fast = { NODE_OPTIONS: `--import ${preload}`, CHAOS_CLOCK_MS: '3600000' }
  const turns = async (role: RoleProcess) => (await readStats<{ turns: number }>(role))?.turns ?? 0
  const ahead = await rig.start('maintenance', { ...HASTY, ...fast })
  await until(async () => (await turns(ahead)) > 2, 30_000)
  ahead.kill('SIGKILL')
  await ahead.exited
  const right = await rig.start('maintenance', HASTY)
  await until(async () => (await turns(right)) > 5, 30_000)
})
