import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createRig } from '../support/rig.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')

test('a new column takes ALTER TABLE and `tributary migrate`, with workers running', async () => {
  const rig = await createRig()
  await Promise.all([rig.start('edge'), rig.start('postgres'), rig.start('postgres')])
  const client = new pg.Client(rig.postgres.url)
  await client.connect()
  onTestFinished(() => client.end())

  const post = async (id: string, fields: object, verb = 'created') => {
    const answer = await rig.post('cdc', {
      webhookId: 'w',
      eventType: `contact.${verb}`,
      timestamp: new Date().toISOString(),
      eventData: { id, ...fields },
    })
    expect(answer).toBe(202)
  }
  const vips = async (column: string) => {
    const { rows } = await client.query(`SELECT id, ${column} AS vip FROM public.contacts ORDER BY id`)
    return Object.fromEntries(rows.map(({ id, vip }) => [id, vip]))
  }

  for (let i = 0; i < 50; i++) await post(`before-${i}`, { firstName: 'Ada', vip: i % 2 === 0 })
  await expect.poll(async () => Object.keys(await vips('first_name')).length).toBe(50)
  expect(await vips(`extra ->> 'vip'`)).toMatchObject({ 'before-0': 'true', 'before-1': 'false' })

  // Events go on coming while the column is added and taken up.
  let sent = 0
  let migrated = false
  const traffic = (async () => {
    while (!migrated || sent < 150) await post(`during-${sent++}`, { vip: true })
  })()
  await client.query('ALTER TABLE tributary.contacts ADD COLUMN vip boolean')
  await promisify(execFile)(process.execPath, [MAIN, 'migrate'], {
    env: { ...process.env, POSTGRES_URL: rig.postgres.url, MONGODB_URL: '' },
  })
  migrated = true
  await traffic
  await post('after', { vip: false })
  await post('before-1', { vip: true }, 'updated')

  await expect.poll(async () => Object.keys(await vips('vip')).length).toBe(50 + sent + 1)
  await expect.poll(async () => (await vips('vip'))['before-1']).toBe(true)
  const found = await vips('vip')
  expect(found).toMatchObject({ 'before-0': true, 'before-1': true, 'before-3': false, after: false })
  for (let i = 0; i < sent; i++) expect(found[`during-${i}`]).toBe(true)
  const { rows } = await client.query(
    `SELECT count(*)::int AS left FROM tributary.contacts WHERE extra ? 'vip'`,
  )
  expect(rows).toEqual([{ left: 0 }])
})
