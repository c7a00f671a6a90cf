import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { balances } from '../../src/dev/ledger/ledger.js'
import { createRedis } from '../../src/stream/redis.js'
import { createRig } from '../support/rig.js'

test('the ledger finds what is lost, doubled and pending', async () => {
  const rig = await createRig()
  const worker = await rig.start('postgres')
  await Promise.all((['edge', 'mongo', 'feed'] as const).map((role) => rig.start(role)))
  const report = await rig.send({ rate: 100, seconds: 3, seed: 9 })
  await rig.drain()
  const sound = await rig.ledger(report.acknowledged)
  expect(sound.map(balances)).toEqual([true, true])

  const client = new pg.Client(rig.postgres.url)
  await client.connect()
  onTestFinished(() => client.end())
  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())

  // A row that was committed and is gone.
  await client.query('DELETE FROM tributary.contacts WHERE id = (SELECT min(id) FROM tributary.contacts)')
  const robbed = await rig.ledger(report.acknowledged)
  expect(robbed[0]?.lost.length).toBeGreaterThan(0)
  expect(robbed.map(balances)).toEqual([false, true])

  // A letter that was written twice.
  const letters = await redis.xrange('cxone:{0}:dead', '-', '+')
  const [, fields] = letters.find(([, values]) => values.includes('mongo')) ?? ['', []]
  await redis.xadd('cxone:{0}:dead', '*', ...fields)
  expect((await rig.ledger(report.acknowledged))[1]?.doubled).toHaveLength(1)

  // A record of the clean feed that was written twice.
  const feed = async () => (await rig.ledger(report.acknowledged, true))[2]
  await expect.poll(async () => (await feed())?.pending).toBe(0)
  const clean = await feed()
  expect(clean?.delivered).toBeGreaterThan(0)
  expect(clean && balances(clean)).toBe(true)
  const [[, record] = ['', []]] = await redis.xrange('cxone:{0}:feed', '-', '+')
  await redis.xadd('cxone:{0}:feed', '*', ...record)
  expect((await feed())?.doubled.length).toBeGreaterThan(0)

  // An entry that is deleted before any worker reads it, and one that no worker reads.
  const [first = ''] = report.acknowledged
  await redis.xdel('cxone:{0}:events', first.slice(2))
  expect((await rig.ledger(report.acknowledged))[1]?.lost).toContain(first)
  const event = {
    webhookId: 'w',
    eventType: 'contact.created',
    timestamp: '2026-11-01T00:00:00Z',
    eventData: { id: 'x' },
  }
  const id = await redis.xadd('cxone:{0}:events', '99999999999999-0', 'cdc', JSON.stringify(event))
  await rig.drain()
  // It would read the entry again.
  worker.kill('SIGTERM')
  await worker.exited
  await redis.xgroup('SETID', 'cxone:{0}:events', 'postgres', '99999999999998-0')
  await client.query(`DELETE FROM tributary.contacts WHERE id = 'x'`)
  expect(await rig.ledger([`0/${id}`])).toMatchObject([
    { pending: 1, delivered: 0 },
    { pending: 0, delivered: 1 },
  ])
})
