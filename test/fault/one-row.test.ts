import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { RoleProcess } from '../../src/dev/roles.js'
import type { WorkerFigures } from '../../src/health/stats.js'
import { expectNothingLost } from '../support/account.js'
import { createRig, type Rig } from '../support/rig.js'
import { until } from '../support/stream.js'

/** Failures after which the worker is looking for the guilty rows: the first three were of the whole batch. */
const STRIKES = 8

/** Contacts with this last name are refused by a trigger, which takes its time, so that a search is not over at once. */
const BAD = 'bad'

async function ask(rig: Rig, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: rig.postgres.url })
  await client.connect()
  return await client.query(sql).finally(() => client.end())
}

/** How often the trigger has refused a row. */
async function strikes(rig: Rig): Promise<number> {
  return Number((await ask(rig, 'SELECT last_value FROM strikes')).rows[0].last_value)
}

async function attempts({ adminPort, role }: RoleProcess): Promise<number> {
  const stats = (await (await fetch(`http://127.0.0.1:${adminPort}/stats`)).json()) as Record<
    string,
    WorkerFigures
  >
  return stats[role]?.failing?.attempts ?? 0
}

/** Dead letters of Postgres with the code of the trigger: the ids of their events. */
async function refused(rig: Rig): Promise<string[]> {
  const redis = new Redis(rig.redis.url)
  const letters = await redis.xrange('cxone:{0}:dead', '-', '+').finally(() => redis.disconnect())
  const fieldsOf =
    ([, fields]: [string, string[]]) =>
    (name: string) =>
      fields[fields.indexOf(name) + 1] ?? ''
  return letters
    .map(fieldsOf)
    .filter((of) => of('sink') === 'postgres' && of('message').includes('ZZ001'))
    .map((of) => of('event'))
    .sort()
}

async function contact(rig: Rig, id: string, fields = {}): Promise<void> {
  const body = { webhookId: 'w', eventType: 'contact.created', timestamp: new Date().toISOString() }
  expect(await rig.post('cdc', { ...body, eventData: { id, ...fields } })).toBe(202)
}

test('Postgres that goes away while the worker looks for a guilty row costs no other row, and spares no guilty one', async () => {
  const rig = await createRig()
  await ask(
    rig,
    `CREATE SEQUENCE strikes;
     CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       PERFORM nextval('public.strikes'), pg_sleep(0.04);
       RAISE EXCEPTION 'not on Sundays' USING ERRCODE = 'ZZ001';
     END $$;
     CREATE TRIGGER look BEFORE INSERT OR UPDATE ON tributary.contacts FOR EACH ROW
       WHEN (NEW.last_name = '${BAD}') EXECUTE FUNCTION look()`,
  )
  const [worker] = await Promise.all([rig.start('postgres'), rig.start('mongo'), rig.start('edge')])
  const traffic = rig.send({ rate: 100, seconds: 25, seed: 23 })
  const guilty: string[] = []
  const outages = [
    async () => {
      await rig.postgres.kill()
      await sleep(1_000)
      await rig.postgres.start()
    },
    async () => {
      rig.postgres.pause()
      onTestFinished(() => rig.postgres.resume())
      await sleep(2_000)
      rig.postgres.resume()
    },
    async () => {
      await rig.postgres.stop()
      await sleep(1_000)
      await rig.postgres.start()
    },
  ]
  for (const [turn, outage] of outages.entries()) {
    await until(async () => (await attempts(worker)) === 0, 30_000)
    const bad = Array.from({ length: 6 }, (_, n) => `bad-${turn}-${n}`)
    guilty.push(...bad)
    const before = await strikes(rig)
    const posting = Promise.all(bad.map((id) => contact(rig, id, { lastName: BAD })))
    await until(async () => (await strikes(rig)) >= before + STRIKES, 30_000)
    await outage()
    await posting
  }
  await expectNothingLost(rig, await traffic)
  expect(await refused(rig)).toEqual(guilty)
  const { rows } = await ask(rig, `SELECT FROM tributary.contacts WHERE last_name = '${BAD}'`)
  expect(rows).toEqual([])
  expect(await attempts(worker)).toBe(0)
})
