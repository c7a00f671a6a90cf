import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { afterEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { createRedis } from '../../src/stream/redis.js'
import { readWindow, wholeSince } from '../../src/stream/window.js'
import { runCommandLine } from '../support/command-line.js'
import { newEntry } from '../support/entries.js'
import { createRig, type Rig } from '../support/rig.js'
import { streamsOfThisFile, until } from '../support/stream.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')
const END = '9999999999999'

const open = streamsOfThisFile()
afterEach(() => void vi.unstubAllEnvs())

describe('a page of the log', () => {
  test('follows the other in order of receipt, whatever the partitions, and says where to go on', async () => {
    const { redis, keys, producer } = await open({ partitions: 3 })
    for (let i = 0; i < 60; i++)
      await producer.append(Array.from({ length: (i * 7) % 40 }, (_, n) => newEntry('cdc', `${i} ${n}`)))
    const all = await collect(readWindow(redis, keys, { from: '0', to: END }))
    const lengths = await Promise.all(keys.map(({ events }) => redis.xlen(events)))
    expect(all).toHaveLength(lengths.reduce((sum, length) => sum + length, 0))
    expect(new Set(all).size).toBe(all.length)

    // Whoever stops after any page and goes on from where it says misses nothing.
    for (const pages of [1, 3, 5]) {
      const { seen, next } = await some(readWindow(redis, keys, { from: '0', to: END }), pages)
      expect(seen.length).toBeLessThan(all.length)
      const rest = await collect(readWindow(redis, keys, { from: next, to: END }))
      expect(new Set([...seen, ...rest]).size).toBe(all.length)
    }
  })

  test('is of bounded size, with any size of entries', async () => {
    const { redis, keys, producer } = await open()
    const big = Buffer.alloc(1_000_000, 'x')
    for (let i = 0; i < 40; i++) await producer.append([newEntry('cdc', big)])
    const sizes: number[] = []
    for await (const { entries } of readWindow(redis, keys, { from: '0', to: END }))
      sizes.push(entries.length)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(40)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16)
    expect(Math.max(...sizes.slice(1))).toBeLessThanOrEqual(8)
  })

  test('tells from when on the log is whole', async () => {
    const { redis, keys, first, producer } = await open({ partitions: 2 })
    expect(await wholeSince(redis, keys)).toBeUndefined()
    await producer.append([newEntry('cdc', '{}'), newEntry('cdc', '{}')])
    expect(await wholeSince(redis, keys)).toBeUndefined()
    await redis.xtrim(first.events, 'MAXLEN', 1)
    const [[id = ''] = []] = await redis.xrange(first.events, '-', '+')
    expect(await wholeSince(redis, keys)).toBe(Number.parseInt(id, 10))
  })
})

/** The first pages, and where to go on. */
async function some(pages: ReturnType<typeof readWindow>, count: number) {
  const seen: string[] = []
  for (let left = count; ; ) {
    const { value, done } = await pages.next()
    if (done) throw new Error('there are too few pages')
    seen.push(...value.entries.map(({ partition, id }) => `${partition}/${id}`))
    if (--left === 0) return { seen, next: value.next }
  }
}

async function collect(pages: ReturnType<typeof readWindow>): Promise<string[]> {
  const ids: string[] = []
  for await (const { entries } of pages) ids.push(...entries.map(({ partition, id }) => `${partition}/${id}`))
  return ids
}

test('a replay brings back what a store has lost, and disturbs no worker', async () => {
  const rig = await createRig()
  await Promise.all([rig.start('edge'), rig.start('postgres'), rig.start('mongo'), rig.start('feed')])
  const report = await rig.send({ rate: 200, seconds: 4, seed: 3 })
  // Valid to the edge, and refused by the store alone.
  expect(await rig.post('cdc', contact('refused', 'nul \u0000 in Postgres'))).toBe(202)
  await rig.drain()
  const stores = await connect(rig)
  const redis = createRedis(rig.redis.url, 'patient', () => undefined)
  onTestFinished(() => redis.disconnect())
  const letters = () => redis.xlen('cxone:{0}:dead')
  const groups = async () => JSON.stringify(await redis.xinfo('GROUPS', 'cxone:{0}:events'))
  const [before, deadBefore, groupsBefore] = [await stores.read(), await letters(), await groups()]
  expect(before.contacts.length).toBeGreaterThan(10)
  for (const [name, url] of Object.entries({
    REDIS: rig.redis.url,
    POSTGRES: rig.postgres.url,
    MONGODB: rig.mongo.url,
  }))
    vi.stubEnv(`${name}_URL`, url)

  await stores.lose()
  const lost = await stores.read()
  expect(lost.contacts).toEqual([])
  const dry = await runCommandLine(['replay', 'postgres', '--from', '1h', '--dry-run'])
  expect(dry).toMatchObject({ exitCode: 0, err: '' })
  expect(dry.out).toMatch(/^cdc +\d+ +\d+$/m)
  expect(dry.out).toMatch(/events would go to postgres, received from .*Z to .*Z; \d+ entries are not for it/)
  expect(await stores.read()).toEqual(lost)

  const real = await runCommandLine(['replay', 'postgres', '--from', '1h', '--rate', '100000'])
  expect(real).toMatchObject({ exitCode: 0, err: '' })
  expect(real.out.split('\n')[1]).toBe(dry.out.split('\n')[1])
  expect(real.out).toMatch(/^\d+ of them refused: refused_by_store$/m)
  expect((await runCommandLine(['replay', 'mongo', '--from', '1h'])).exitCode).toBe(0)
  expect(await stores.read()).toEqual(before)
  const records = await redis.xlen('cxone:{0}:feed')
  expect(records).toBeGreaterThan(0)
  expect((await runCommandLine(['replay', 'feed', '--from', '1h'])).exitCode).toBe(0)
  expect(await redis.xlen('cxone:{0}:feed')).toBe(records)
  // The feed's own partitions say where a key is known, and not those of the log.
  vi.stubEnv('PARTITIONS', '3')
  expect((await runCommandLine(['replay', 'feed', '--from', '1h'])).exitCode).toBe(0)
  const feeds = await Promise.all([0, 1, 2].map((partition) => redis.xlen(`cxone:{${partition}}:feed`)))
  expect(feeds).toEqual([records, 0, 0])
  // Nobody's position, and no letter, is another one.
  expect(await letters()).toBe(deadBefore)
  expect(await groups()).toBe(groupsBefore)
  expect(await rig.ledger(report.acknowledged)).toMatchObject([
    { lost: [], pending: 0 },
    { lost: [], pending: 0 },
  ])

  // Of a part, and again: nothing changes.
  const [id = ''] = (await redis.xrange('cxone:{0}:events', '-', '+', 'COUNT', 1))[0] ?? []
  const one = await runCommandLine(['replay', 'postgres', '--from', `0/${id}`, '--to', id])
  expect(one).toMatchObject({ exitCode: 0, err: '' })
  expect(one.out).toMatch(/^There is nothing for postgres \(1 other entries\)|^\w\S+ +1 +1$/m)
  expect(await stores.read()).toEqual(before)

  // Interrupted, it says where to go on.
  await stores.lose()
  await runCommandLine(['replay', 'mongo', '--from', '1h'])
  const slow = spawn(process.execPath, [MAIN, 'replay', 'postgres', '--from', '1h', '--rate', '50'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void slow.kill('SIGKILL'))
  const said = text(slow.stderr)
  await until(async () => (await stores.read()).contacts.length > 0)
  slow.kill('SIGINT')
  expect((await once(slow, 'exit'))[0]).toBe(1)
  expect((await stores.read()).contacts.length).toBeLessThan(before.contacts.length)
  const [, from = ''] = /Interrupted\. To go on: --from (\S+)/.exec(await said) ?? []
  expect((await runCommandLine(['replay', 'postgres', '--from', from])).exitCode).toBe(0)
  expect(await stores.read()).toEqual(before)
})

test('says what is not there any more, and what it does not understand', async () => {
  const { redis, first, producer } = await open()
  vi.stubEnv('REDIS_URL', inject('services').redisUrl)
  vi.stubEnv('STREAM_PREFIX', first.events.split(':')[0])
  await producer.append([newEntry('cdc', '{}'), newEntry('data-action', '{}')])
  await redis.xtrim(first.events, 'MAXLEN', 1)
  const run = await runCommandLine(['replay', 'postgres', '--from', '2h', '--dry-run'])
  expect(run.err).toMatch(/^The log is whole from .*Z on; .*REPLAY_WINDOW_MS/)
  expect(run.out).toBe('There is nothing for postgres (1 other entries)\n')
  for (const args of [['postgres', '--from', 'yesterday'], ['interactions', '--from', '1h'], ['mongo']])
    expect((await runCommandLine(['replay', ...args])).exitCode).toBe(1)
})

const contact = (id: string, firstName: string) => ({
  ...{ webhookId: 'w', eventType: 'contact.created', timestamp: new Date().toISOString() },
  eventData: { id, firstName },
})

/** Looks into both stores, and makes them lose what they have. */
async function connect({ postgres, mongo }: Rig) {
  const rows = new pg.Client({ connectionString: postgres.url })
  await rows.connect()
  onTestFinished(() => rows.end())
  const documents = new MongoClient(mongo.url)
  onTestFinished(() => documents.close())
  const contacts = documents.db('cxone').collection('state.contacts')
  return {
    read: async () => ({
      contacts: (await rows.query('SELECT * FROM tributary.contacts ORDER BY id')).rows.map(withoutTimes),
      documents: (await contacts.find().sort({ _id: 1 }).toArray()).map(({ _tributary, ...rest }) => rest),
    }),
    lose: async () => {
      await rows.query('TRUNCATE tributary.contacts')
      await contacts.deleteMany({})
    },
  }
}

/** When a row was written is another time each time. */
function withoutTimes({ created_at, updated_at, ...row }: Record<string, unknown>) {
  return row
}
