import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'

test('an edge that is killed under load has kept all that it acknowledged', async () => {
  const rig = await createRig()
  await Promise.all([rig.start('postgres'), rig.start('mongo')])
  let edge = await rig.start('edge')
  const traffic = rig.send({ rate: 200, seconds: 10, seed: 5 })
  for (let round = 0; round < 3; round++) {
    await sleep(1_500)
    edge.kill('SIGKILL')
    expect(await edge.exited).toBe('SIGKILL')
    edge = await rig.start('edge')
  }
  const report = await traffic
  expect(report.redelivered).toBeGreaterThan(0)
  await expectNothingLost(rig, report)
})
