import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { RoleProcess } from '../../src/dev/roles.js'
import type { WorkerFigures } from '../../src/health/stats.js'
import { expectNothingLost } from '../support/account.js'
import { createRig, type Rig } from '../support/rig.js'
import { mountSmallDisk } from '../support/small-disk.js'
import { until } from '../support/stream.js'

/** How long a store is left failing, in ms. */
const OUTAGE_MS = 7_000
/** Of what comes during an outage of the one store, the share that the other one takes meanwhile, at least. */
const LEAST_TAKEN = 0.5
/** Of one batch in {@link OUTAGE_MS}, with pauses that double from 25 ms on: 8, and a few for a slow beginning. */
const MOST_ATTEMPTS = 14

/** What a role says of itself. */
async function look(role: RoleProcess): Promise<{ figures: WorkerFigures; problem: string | undefined }> {
  const get = async (path: string) =>
    (await (await fetch(`http://127.0.0.1:${role.adminPort}${path}`)).json()) as Record<string, unknown>
  const [stats, { problems }] = await Promise.all([get('/stats'), get('/readyz')])
  return {
    figures: stats[role.role] as WorkerFigures,
    problem: (problems as Record<string, string>)[role.role],
  }
}

/** What was dead-lettered because the store has refused it; not what of the traffic no Postgres can store. */
async function lettersOf(sink: string, rig: Rig): Promise<string[]> {
  const redis = new Redis(rig.redis.url)
  onTestFinished(() => redis.disconnect())
  const letters = await redis.xrange('cxone:{0}:dead', '-', '+')
  const values = letters.map(
    ([, fields]) =>
      (name: string) =>
        fields[fields.indexOf(name) + 1] ?? '',
  )
  const refused = values.filter((of) => of('sink') === sink && of('reason') === 'refused_by_store')
  return refused.map((of) => of('message')).filter((message) => !message.includes('NUL character'))
}

interface Outage {
  readonly what: string
  /** Ends writes. @returns what lets them go on */
  begin(): Promise<() => Promise<void>>
  /** What readiness says then. */
  readonly cause: RegExp
  /** Whether the store refuses at once: a frozen one has the first attempt hang. */
  readonly answers: boolean
}

/** One outage after the other under traffic; the store's worker tells, the other one does not notice. */
async function endure(
  failing: 'postgres' | 'mongo',
  rig: Rig,
  outages: readonly Outage[],
  env = {},
): Promise<void> {
  const [worker, other] = await Promise.all([
    rig.start(failing, env),
    rig.start(failing === 'postgres' ? 'mongo' : 'postgres'),
    rig.start('edge'),
  ])
  const redis = new Redis(rig.redis.url)
  onTestFinished(() => redis.disconnect())
  const seconds = 10 + outages.length * (OUTAGE_MS / 1_000 + 4)
  const traffic = rig.send({ rate: 60, seconds, seed: 17 })
  await until(async () => (await look(worker)).figures.acknowledged > 100)
  for (const { what, begin, cause, answers } of outages) {
    await until(async () => (await look(worker)).problem === undefined, 30_000)
    const received = await redis.xlen('cxone:{0}:events')
    const taken = (await look(other)).figures.acknowledged
    const end = await begin()
    await until(async () => cause.test((await look(worker)).problem ?? ''), 15_000).catch(async () => {
      throw new Error(`${what}: readiness says ${(await look(worker)).problem}`)
    })
    await sleep(OUTAGE_MS)
    const { figures, problem } = await look(worker)
    expect(problem, what).toMatch(cause)
    if (answers) {
      expect(figures.failing?.attempts, what).toBeGreaterThan(1)
      expect(figures.failing?.attempts, what).toBeLessThan(MOST_ATTEMPTS)
    }
    const unharmed = await look(other)
    expect(unharmed.problem, what).toBeUndefined()
    expect(unharmed.figures.failing, what).toBeUndefined()
    const came = (await redis.xlen('cxone:{0}:events')) - received
    expect(came, what).toBeGreaterThan(100)
    expect(unharmed.figures.acknowledged - taken, what).toBeGreaterThan(LEAST_TAKEN * came)
    await end()
  }
  await expectNothingLost(rig, await traffic)
  expect((await look(worker)).problem).toBeUndefined()
  expect((await look(worker)).figures.failing).toBeUndefined()
  expect(await lettersOf(failing, rig)).toEqual([])
}

test('Postgres that is read-only, out of connections, full or frozen loses nothing and harms no other sink', async () => {
  const rig = await createRig()
  const client = new pg.Client({ connectionString: rig.postgres.url })
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.end())
  const ask = async (...statements: string[]) => {
    for (const statement of statements) await client.query(statement)
  }
  const all = 'ALL TABLES IN SCHEMA tributary TO worker'
  await ask(
    'CREATE ROLE worker LOGIN',
    'GRANT USAGE ON SCHEMA tributary TO worker',
    `GRANT SELECT, INSERT, UPDATE ON ${all}`,
  )
  const disconnect = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'worker'"
  const outages: Outage[] = [
    {
      what: 'read-only',
      begin: async () => {
        await ask('ALTER ROLE worker SET default_transaction_read_only = on', disconnect)
        return () => ask('ALTER ROLE worker RESET default_transaction_read_only', disconnect)
      },
      cause: /read-only transaction \(25006: .*primary\); \d+ attempts since/,
      answers: true,
    },
    {
      what: 'out of connections',
      begin: async () => {
        await ask('ALTER ROLE worker CONNECTION LIMIT 0', disconnect)
        return () => ask('ALTER ROLE worker CONNECTION LIMIT -1')
      },
      cause: /too many connections for role "worker" \(53300: .*max_connections/,
      answers: true,
    },
    {
      what: 'frozen',
      begin: async () => {
        rig.postgres.pause()
        // Where the test fails meanwhile, what it has opened there could not be closed.
        onTestFinished(() => rig.postgres.resume())
        return async () => rig.postgres.resume()
      },
      // A worker that had no connection when it froze gives up making one after 5 s.
      cause: /no answer within 2 s|connection timeout/,
      answers: false,
    },
  ]
  const full = await fullDisk(client, ask)
  await endure('postgres', rig, full ? [...outages, full] : outages, {
    POSTGRES_URL: rig.postgres.url.replace('postgres@', 'worker@'),
  })
})

/** The tables of the contracts on a disk of 24 MiB, which a table of no use fills up. */
async function fullDisk(
  client: pg.Client,
  ask: (...statements: string[]) => Promise<void>,
): Promise<Outage | undefined> {
  const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory')
  const disk = mountSmallDisk(24, rows[0]?.data_directory ?? '')
  if (!disk) {
    process.stderr.write('not tried: a disk that is really full, because this process may not mount one\n')
    return undefined
  }
  onTestFinished(() => disk.remove())
  await ask(`CREATE TABLESPACE small LOCATION '${disk.path}'`)
  for (const table of ['contacts', 'interactions', 'contact_records']) {
    await ask(`ALTER TABLE tributary.${table} SET TABLESPACE small`)
  }
  return {
    what: 'full',
    begin: async () => {
      await ask('CREATE TABLE filler (text text) WITH (autovacuum_enabled = off) TABLESPACE small')
      // Large steps first, so that it does not take long; what has failed stays on the disk.
      for (const rows of [2_000, 100, 1, 1, 1]) {
        const fill = `INSERT INTO filler SELECT repeat('x', 1900) FROM generate_series(1, ${rows})`
        while (
          await ask(fill).then(
            () => true,
            (error: pg.DatabaseError) => error.code !== '53100',
          )
        );
      }
      return () => ask('DROP TABLE filler')
    },
    cause: /No space left on device \(53100: the disk of the server is full\); \d+ attempts since/,
    answers: true,
  }
}

test('MongoDB that has no primary, is full or frozen loses nothing and harms no other sink', async () => {
  const rig = await createRig()
  const client = new MongoClient(rig.mongo.url)
  onTestFinished(() => client.close())
  const set = async (mode: string, data: object) => {
    await client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
  }
  const failPoint = (what: string, data: object, cause: RegExp): Outage => ({
    what,
    begin: async () => {
      await set('alwaysOn', { failCommands: ['insert', 'update'], ...data })
      return () => set('off', {})
    },
    cause,
    answers: true,
  })
  await endure('mongo', rig, [
    failPoint('no primary', { errorCode: 10107 }, /MongoDB could not .*; \d+ attempts since/),
    failPoint('full', { errorCode: 14031 }, /\(the disk of the server is full\); \d+ attempts since/),
    {
      what: 'frozen',
      begin: async () => {
        rig.mongo.pause()
        onTestFinished(() => rig.mongo.resume())
        return async () => rig.mongo.resume()
      },
      // The driver looks for itself meanwhile, and cuts what hangs.
      cause: /no answer within 2 s|MongoDB could not/,
      answers: false,
    },
  ])
})
