import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { readStats } from '../../src/dev/roles.js'
import type { WorkerFigures } from '../../src/health/stats.js'
import { createRedis } from '../../src/stream/redis.js'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'
import { until } from '../support/stream.js'

const LEASE_MS = 5_000
const RATE = 150

test('what one of three workers held when it was killed is taken over, and the rest goes on', async () => {
  const rig = await createRig()
  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  await rig.start('edge')
  const env = { LEASE_MS: String(LEASE_MS) }
  const [victim, ...others] = await Promise.all([1, 2, 3].map(() => rig.start('postgres', env)))
  await rig.start('mongo')
  const traffic = rig.send({ rate: RATE, seconds: 20, seed: 31 })
  await sleep(2_000)
  // While the store hangs every worker has entries in flight.
  rig.postgres.pause()
  await sleep(1_500)
  victim?.kill('SIGKILL')
  await victim?.exited
  const heldBy = (await redis.xinfo('CONSUMERS', 'cxone:{0}:events', 'postgres')) as unknown[][]
  const held = heldBy.map((fields) => ({ name: String(fields[1]), pending: Number(fields[3]) }))
  expect(held.every(({ pending }) => pending > 0)).toBe(true)
  const orphaned = (await redis.xpending('cxone:{0}:events', 'postgres')) as [number, string, string]
  rig.postgres.resume()

  const acknowledged = async () => {
    const figures = await Promise.all(others.map((worker) => readStats<WorkerFigures>(worker)))
    return figures.reduce((sum, one) => sum + (one?.acknowledged ?? 0), 0)
  }
  const before = await acknowledged()
  const since = Date.now()
  // Back at the rate of the traffic, what waited included.
  await until(
    async () => (await acknowledged()) - before > ((Date.now() - since) / 1_000) * RATE * 0.9,
    60_000,
  )
  await until(async () => {
    const [, oldest] = (await redis.xpending('cxone:{0}:events', 'postgres')) as [number, string | null]
    return oldest === null || oldest > orphaned[2]
  }, 10 * LEASE_MS)
  await expectNothingLost(rig, await traffic)
})
