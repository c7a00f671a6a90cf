import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createRedis } from '../../src/stream/redis.js'
import { runCommandLine } from '../support/command-line.js'
import { createRig, type Rig } from '../support/rig.js'

/** Workers that take nothing from the future, and a command line that knows it. */
const STRICT = { MAX_CLOCK_SKEW_MS: '0' }

test('what was redriven reaches both stores, and overwrites nothing newer', async () => {
  const rig = await createRig()
  const workers = await Promise.all([
    rig.start('postgres', STRICT),
    rig.start('mongo', STRICT),
    rig.start('edge'),
  ])
  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  vi.stubEnv('REDIS_URL', rig.redis.url)
  vi.stubEnv('MAX_CLOCK_SKEW_MS', '0')
  onTestFinished(() => void vi.unstubAllEnvs())

  const soon = new Date(Date.now() + 3_000).toISOString()
  const contact = (id: string, firstName: string) => ({
    ...{ webhookId: 'w', eventType: 'contact.created', timestamp: soon },
    eventData: { id, firstName },
  })
  const record = (id: string, firstName: string) => ({ id, firstName, timestamp: soon })
  expect(await rig.post('cdc', contact('alone', 'old'))).toBe(202)
  expect(await rig.post('cdc', contact('twice', 'old'))).toBe(202)
  const events = [5, record('alone', 'old'), record('twice', 'old')]
  expect(await rig.post('contact-sync', { events })).toBe(202)
  await rig.drain()
  const accepted = (await redis.xrange('cxone:{0}:events', '-', '+')).map(([id]) => `0/${id}`)
  expect(await rig.ledger(accepted)).toMatchObject([{ deadLettered: 5 }, { deadLettered: 5 }])

  // The same timestamp: what was received later is newer.
  await sleep(3_100)
  expect(await rig.post('cdc', contact('twice', 'new'))).toBe(202)
  expect(await rig.post('contact-sync', { events: [record('twice', 'new')] })).toBe(202)
  await rig.drain()

  for (const worker of workers.slice(0, 2)) worker.kill('SIGTERM')
  await Promise.all(workers.slice(0, 2).map((worker) => worker.exited))
  const { out } = await runCommandLine(['dead', 'redrive'])
  expect(out).toMatch(/^redriven +8$/m)
  expect(out).toMatch(/^would fail again: invalid_event +2$/m)
  expect(await rig.ledger(accepted)).toMatchObject([
    { deadLettered: 1, pending: 2, delivered: 2, lost: [] },
    { deadLettered: 1, pending: 2, delivered: 2, lost: [] },
  ])
  await Promise.all([rig.start('postgres', STRICT), rig.start('mongo', STRICT)])
  await rig.drain()
  expect(await rig.ledger(accepted)).toMatchObject([
    { deadLettered: 1, pending: 0, delivered: 4, lost: [], doubled: [] },
    { deadLettered: 1, pending: 0, delivered: 4, lost: [], doubled: [] },
  ])
  const expected = [
    { id: 'alone', name: 'old' },
    { id: 'twice', name: 'new' },
  ]
  for (const table of ['contacts', 'contact_records']) {
    expect(await rowsOf(rig, table)).toEqual(expected)
    expect(await documentsOf(rig, table)).toEqual(expected)
  }
})

async function rowsOf(rig: Rig, table: string): Promise<unknown[]> {
  const client = new pg.Client(rig.postgres.url)
  await client.connect()
  try {
    return (await client.query(`SELECT id, first_name AS name FROM ${table} ORDER BY id`)).rows
  } finally {
    await client.end()
  }
}

async function documentsOf(rig: Rig, view: string): Promise<unknown[]> {
  const client = new MongoClient(rig.mongo.url)
  try {
    const found = await client.db('cxone').collection(view).find().sort({ id: 1 }).toArray()
    return found.map(({ id, firstName }) => ({ id, name: firstName }))
  } finally {
    await client.close()
  }
}
