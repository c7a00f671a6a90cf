import { expect, it, onTestFinished, type TestContext } from 'vitest'
import { contacts, interactions } from '../../schemas/cdc.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import { patch, snapshot } from '../../src/state/state.js'
import { startPgBouncer } from '../support/pgbouncer.js'
import { at, change, ENTITIES, type Fixture, fixture, NEVER, refusals } from './postgres-fixture.js'

/** A sink behind PgBouncer in transaction mode, and what it reports. */
async function pooledSink(db: Fixture, context: TestContext) {
  const bouncer = await startPgBouncer(db.url)
  if (bouncer === undefined) return context.skip('there is no pgbouncer, and none can be installed')
  onTestFinished(() => bouncer.close())
  const lines: string[] = []
  const report = (line: string) => void lines.push(line)
  const url = bouncer.urlOf(db.url)
  const sink = await createPostgresSink({ url, poolSize: 6, entities: ENTITIES, report })
  onTestFinished(() => sink.close())
  return { sink, lines, url }
}

const person = (key: string, second: number, fields: [string, unknown][]) =>
  change(contacts, key, snapshot(at(second, 'snapshot'), fields))

it('behind PgBouncer in transaction mode a sink writes what it writes without, and says what it costs', async (context) => {
  const db = await fixture()
  const { sink, lines } = await pooledSink(db, context)
  for (let round = 1; round <= 4; round++) {
    const batches = Array.from({ length: 12 }, (_, batch) => [
      ...Array.from({ length: 19 }, (_, n) =>
        person(`c${batch}-${n}`, round, [
          ['phone', `${round}`],
          ['tier', n],
        ]),
      ),
      change(
        contacts,
        `patched${batch}`,
        patch(at(round + 1), [
          ['phone', `${round}`],
          ['tier', `news ${round}`],
        ]),
      ),
      change(interactions, `i${batch}`, snapshot(at(round, 'snapshot'), [['durationSeconds', round]])),
      change(interactions, `bad${batch}`, snapshot(at(round, 'snapshot'), [['durationSeconds', 'long']])),
    ])
    const refused = await Promise.all(batches.map((batch) => refusals(sink.write(batch, NEVER))))
    expect(refused.map((map) => [...map.keys()])).toEqual(batches.map((_, batch) => [`bad${batch}`]))
    if (round === 2) {
      await db.ask('ALTER TABLE tributary.contacts ADD COLUMN tier jsonb')
      await db.migrate()
    }
  }
  expect(
    await db.ask(`SELECT count(*)::int, min(phone), max(phone), count(*) FILTER (WHERE tier = '"news 4"')::int AS patched
      FROM tributary.contacts`),
  ).toEqual([{ count: 240, min: '4', max: '4', patched: 12 }])
  expect(
    await db.ask('SELECT count(*)::int, sum(duration_seconds)::int FROM tributary.interactions'),
  ).toEqual([{ count: 12, sum: 48 }])
  expect(lines.filter((line) => line.includes('pooler'))).toHaveLength(1)
})

it('behind PgBouncer rows exchange unique values, and tombstones keep what must not be NULL', async (context) => {
  const db = await fixture()
  await db.ask('ALTER TABLE tributary.contacts ADD UNIQUE (phone), ADD CHECK (email IS NOT NULL)')
  const { sink } = await pooledSink(db, context)
  const write = (second: number, phones: string) =>
    sink.write(
      [...phones].map((phone, n) =>
        person(`k${n}`, second, [
          ['email', 'e'],
          ['phone', phone],
        ]),
      ),
      NEVER,
    )
  await write(1, 'abc')
  await write(2, 'bca')
  await sink.write(
    [change(contacts, 'k0', { version: at(3, 'delete'), deleted: true, fields: new Map() })],
    NEVER,
  )
  expect(await db.ask('SELECT id, email, phone FROM public.contacts ORDER BY id')).toEqual([
    { id: 'k1', email: 'e', phone: 'c' },
    { id: 'k2', email: 'e', phone: 'a' },
  ])
})
