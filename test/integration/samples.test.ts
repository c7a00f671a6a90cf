import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import type { InteractionUpdate } from '../../schemas/interaction-update.js'
import { toAttributesUpdate } from '../../src/cxone/interactions.js'
import { curlLine } from '../../src/dev/traffic/curl.js'
import { fromReply, type RawEntry } from '../../src/stream/entry.js'
import { createRedis } from '../../src/stream/redis.js'
import { createRig, SENDERS } from '../support/rig.js'

/** The sample request that `docs/contracts.md` shows for a contract. */
function sampleOf(name: string): string {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/contracts.md'), 'utf8')
  const [, sample] = new RegExp(`## \`${name}\` – [^#]*?\`\`\`json\n(.*?)\n\`\`\``, 's').exec(page) ?? []
  if (!sample) throw new Error(`docs/contracts.md shows no sample of ${name}`)
  return sample
}

test('the samples of docs/contracts.md, sent with curl, end as that page says', async () => {
  const rig = await createRig()
  await Promise.all((['edge', 'postgres', 'mongo', 'feed'] as const).map((role) => rig.start(role)))
  for (const contract of CONTRACTS) {
    const body = Buffer.from(sampleOf(contract.name))
    const line = curlLine(rig.url, { contract, body, signature: 'right' }, SENDERS)
    const { stdout } = await promisify(execFile)('bash', ['-c', line])
    expect(stdout, contract.name).toMatch(/^HTTP\/1.1 202 Accepted\r\n.*\r\n\{"status":"accepted"\}$/s)
  }
  await rig.drain()

  const rows = new pg.Client(rig.postgres.url)
  await rows.connect()
  onTestFinished(() => rows.end())
  const row = async (table: string) => (await rows.query(`SELECT * FROM public.${table}`)).rows
  expect(await row('contacts')).toEqual([
    expect.objectContaining({ id: 'c-1', first_name: 'Ada', last_name: null, extra: { vip: true } }),
  ])
  expect(await row('contact_records')).toEqual([
    {
      id: 'r-1',
      external_id: 'x-1',
      first_name: 'Ada',
      last_name: 'Lovelace',
      email: 'ada@example.com',
      updated_ts: new Date('2026-11-01T09:30:00Z'),
      sync_status: 'pending',
      extra: null,
    },
  ])

  const mongo = new MongoClient(rig.mongo.url)
  onTestFinished(() => mongo.close())
  const read = (database: string, collection: string) =>
    mongo.db(database).collection(collection).find().toArray()
  expect(await read('cxone', 'contacts')).toEqual([{ _id: 'c-1', id: 'c-1', firstName: 'Ada', vip: true }])
  expect(await read('cxone', 'contact_records')).toMatchObject([
    { id: 'r-1', externalId: 'x-1', email: 'ada@example.com', timestamp: '2026-11-01T09:30:00Z' },
  ])
  expect(await read('cxone_events', 'events')).toMatchObject([
    { _id: 'd-1', ...JSON.parse(sampleOf('data-action')), processed_at: expect.any(Date), schema_version: 1 },
  ])
  expect(await read('cxone_events', 'schema_versions')).toMatchObject([
    { version: 1, fields: ['anything', 'id', 'score', 'type'], updated_at: expect.any(Date) },
  ])

  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  await expect.poll(() => redis.xlen('cxone:{0}:feed')).toBe(1)
  const [[, fields] = ['', []]] = await redis.xrange('cxone:{0}:feed', '-', '+')
  expect(fields[fields.indexOf('key') + 1]).toBe('x-1')
  expect(JSON.parse(fields[fields.indexOf('value') + 1] ?? '')).toMatchObject({
    correlation_id: 'x-1',
    data: { duration_seconds: 12, customer_email: 'ada@example.com', metadata: { score: 4.5 } },
  })

  const log = (await redis.callBuffer('XRANGE', 'cxone:{0}:events', '-', '+')) as RawEntry[]
  const update = log.map((raw) => fromReply(0, raw)).find((entry) => entry?.source === 'interaction-update')
  expect(toAttributesUpdate(JSON.parse(String(update?.body)) as InteractionUpdate)).toEqual({
    interactionId: 'i-1',
    idempotencyKey: 'i-1_2026-11-01T09:30:00Z',
    attributes: {
      crmReferenceId: 'CRM-7',
      originChannel: 'CHAT',
      routingQueue: 'Billing',
      dispositionCode: 'RESOLVED',
      servingAgentName: 'Ada',
    },
  })
  expect(await redis.exists('cxone:{0}:dead')).toBe(0)
})
