import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'

test('workers that are killed in the middle of batches lose nothing and double nothing', async () => {
  const rig = await createRig()
  await rig.start('edge')
  const traffic = rig.send({ rate: 150, seconds: 12, seed: 4 })
  // Small batches, so that there is always one in the middle.
  for (let round = 0; round < 4; round++) {
    const workers = await Promise.all(
      (['postgres', 'mongo'] as const).map((role) => rig.start(role, { BATCH_MAX_EVENTS: '20' })),
    )
    await sleep(1_500)
    for (const worker of workers) worker.kill('SIGKILL')
    expect(await Promise.all(workers.map((worker) => worker.exited))).toEqual(['SIGKILL', 'SIGKILL'])
  }
  await Promise.all([rig.start('postgres'), rig.start('mongo')])
  await expectNothingLost(rig, await traffic)
})
