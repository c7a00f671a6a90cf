import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'vitest'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'

test('stores and Redis that are stopped, killed and frozen under traffic lose nothing', async () => {
  const rig = await createRig()
  await Promise.all([rig.start('edge'), rig.start('postgres'), rig.start('mongo')])
  const traffic = rig.send({ rate: 100, seconds: 20, seed: 6 })
  await sleep(1_000)
  for (const store of [rig.postgres, rig.mongo]) {
    await store.stop()
    await sleep(2_000)
    await store.start()
    await sleep(500)
    await store.kill()
    await sleep(500)
    await store.start()
  }
  rig.postgres.pause()
  rig.mongo.pause()
  await sleep(2_000)
  rig.postgres.resume()
  rig.mongo.resume()
  await rig.redis.kill()
  await sleep(500)
  await rig.redis.start()
  await expectNothingLost(rig, await traffic)
})
