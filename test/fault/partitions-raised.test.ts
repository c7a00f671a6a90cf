import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { SendReport } from '../../src/dev/traffic/sender.js'
import { expectNothingLost } from '../support/account.js'
import { createRig } from '../support/rig.js'

const ROLES = ['postgres', 'mongo', 'feed'] as const

test('PARTITIONS is raised while traffic goes on: workers first, then the edge', async () => {
  const rig = await createRig({ partitions: 4 })
  const few = { PARTITIONS: '1' }
  const edge = await rig.start('edge', few)
  const workers = await Promise.all(ROLES.map((role) => rig.start(role, few)))
  const reports: SendReport[] = []
  let raised = false
  const send = async () => {
    // However long the roles take; and once more when all of them have the new number.
    for (let seed = 11, last = false; !last; seed++) {
      last = raised
      reports.push(await rig.send({ rate: 150, seconds: 3, seed }))
    }
  }
  const traffic = send()
  await sleep(3_000)
  await Promise.all(ROLES.map((role) => rig.start(role)))
  for (const worker of workers) worker.kill('SIGTERM')
  expect(await Promise.all(workers.map(({ exited }) => exited))).toEqual([0, 0, 0])
  await sleep(1_000)
  edge.kill('SIGTERM')
  expect(await edge.exited).toBe(0)
  await rig.start('edge')
  raised = true
  await traffic

  const acknowledged = reports.flatMap((report) => report.acknowledged)
  await expectNothingLost(rig, { acknowledged, unexpected: reports.flatMap(({ unexpected }) => unexpected) })
  const partitions = new Set(acknowledged.map((ref) => ref.split('/')[0]))
  expect([...partitions].sort()).toEqual(['0', '1', '2', '3'])
  const [, , feed] = await rig.ledger(acknowledged, true)
  expect(feed).toMatchObject({ sink: 'feed', lost: [], doubled: [], pending: 0 })
  expect(feed?.delivered).toBeGreaterThan(0)
})
