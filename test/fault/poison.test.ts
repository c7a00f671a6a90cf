import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import type { RoleProcess } from '../../src/dev/roles.js'
import { browse } from '../../src/stream/dead-letters/browse.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { createRedis } from '../../src/stream/redis.js'
import { createRig } from '../support/rig.js'

const DEADLY = resolve(import.meta.dirname, '../support/crash-on-entry.mjs')
const MAX_DELIVERIES = 3

/** Two workers, as an orchestrator has them: what dies is started again. */
function keepRunning(start: () => Promise<RoleProcess>) {
  const alive = new Set<RoleProcess>()
  let killed = 0
  let ended = false
  const keepOne = async () => {
    while (!ended) {
      const worker = await start()
      alive.add(worker)
      if (ended) worker.kill('SIGTERM')
      if ((await worker.exited) === 'SIGKILL') killed++
      alive.delete(worker)
    }
  }
  const running = Promise.all([keepOne(), keepOne()])
  return {
    /** @returns how many were killed until now */
    end: async () => {
      ended = true
      for (const worker of alive) worker.kill('SIGTERM')
      await running
      return killed
    },
  }
}

test('an entry that kills every worker is dead-lettered for that, and the traffic around it is delivered', async () => {
  const rig = await createRig()
  await rig.start('edge')
  const env = { NODE_OPTIONS: `--import ${DEADLY}`, LEASE_MS: '1000', MAX_DELIVERIES: `${MAX_DELIVERIES}` }
  const relay = keepRunning(() => rig.start('postgres', env))
  await rig.start('mongo')
  const before = await rig.send({ rate: 100, seconds: 2, seed: 21 })
  const timestamp = new Date().toISOString()
  const deadly = { webhookId: 'w', eventType: 'contact.created', timestamp, eventData: { id: 'deadly' } }
  expect(await rig.post('cdc', deadly)).toBe(202)
  const after = await rig.send({ rate: 100, seconds: 4, seed: 22 })
  await rig.drain()
  expect(await relay.end()).toBe(MAX_DELIVERIES)

  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  const poison = []
  for await (const head of browse(redis, partitionKeys('cxone', 1), { reasons: ['poison'] }))
    poison.push(head)
  redis.disconnect()
  expect(poison).toEqual([expect.objectContaining({ sink: 'postgres', event: '', attempts: 1 })])
  for (const ledger of await rig.ledger([...before.acknowledged, ...after.acknowledged])) {
    expect(ledger).toMatchObject({ lost: [], doubled: [], pending: 0 })
  }
})
