import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'

test('SIGTERM under load finishes what is in flight and exits with 0, for every role', async () => {
  const rig = await createRig()
  let roles = await Promise.all([rig.start('edge'), rig.start('postgres'), rig.start('mongo')])
  const traffic = rig.send({ rate: 150, seconds: 9, seed: 7 })
  for (let round = 0; round < 2; round++) {
    await sleep(2_000)
    for (const role of roles) role.kill('SIGTERM')
    expect(await Promise.all(roles.map((role) => role.exited))).toEqual([0, 0, 0])
    roles = await Promise.all([rig.start('edge'), rig.start('postgres'), rig.start('mongo')])
  }
  await expectNothingLost(rig, await traffic)
})

test('a worker whose store is away lets go at the deadline; its entries are delivered by the next', async () => {
  const rig = await createRig()
  await rig.start('edge')
  const worker = await rig.start('postgres', { SHUTDOWN_TIMEOUT_MS: '1000' })
  await rig.postgres.stop()
  const report = await rig.send({ rate: 50, seconds: 2, seed: 8 })
  worker.kill('SIGTERM')
  expect(await worker.exited).toBe(1)
  await rig.postgres.start()
  await Promise.all([rig.start('postgres'), rig.start('mongo')])
  await expectNothingLost(rig, report)
})
