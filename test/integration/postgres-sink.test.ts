import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { contacts, interactions } from '../../schemas/cdc.js'
import { contactRecords } from '../../schemas/contact-sync.js'
import { TransientError } from '../../src/errors.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import { snapshot } from '../../src/state/state.js'
import { freshDatabase } from '../support/fresh.js'
import {
  at,
  change,
  DISCONNECT,
  ENTITIES,
  type Fixture,
  fixture,
  NEVER,
  refusals,
  rejection,
  WAITS,
} from './postgres-fixture.js'

const person = (key: string, fields: [string, unknown][] = [['firstName', key]]) =>
  change(contacts, key, snapshot(at(1, 'snapshot'), fields))
const call = (key: string, seconds: unknown) =>
  change(interactions, key, snapshot(at(1, 'snapshot'), [['durationSeconds', seconds]]))

async function keysOf({ ask }: Fixture, table: string): Promise<string[]> {
  return (await ask<{ id: string }>(`SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id)
}

/** Locks a row: writers of the row wait until the returned function is called. */
async function hold({ url }: Fixture, key: string): Promise<() => Promise<void>> {
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query('BEGIN')
  await holder.query('SELECT FROM tributary.contacts WHERE id = $1 FOR UPDATE', [key])
  return async () => {
    await holder.query('ROLLBACK')
  }
}

/** Resolves with the process of the sink's connection that waits for a row. */
function waitingBackend({ ask }: Fixture): Promise<number> {
  return vi.waitFor(async () => {
    const [waiting] = await ask<{ pid: number }>(WAITS)
    if (!waiting) throw new Error('no connection waits')
    return waiting.pid
  })
}

describe('a batch', () => {
  it('loses exactly the rows that Postgres refuses, with its own words', async () => {
    const db = await fixture()
    const sink = await db.sink()
    const batch = Array.from({ length: 500 }, (_, index) => call(`call-${index}`, index))
    batch[17] = call('call-17', 'soon')
    batch[18] = call('call-18', 3_000_000_000)
    batch[499] = call('call-499', { seconds: 1 })
    const refused = await refusals(sink.write(batch, NEVER))
    expect([...refused.keys()].sort()).toEqual(['call-17', 'call-18', 'call-499'])
    expect(refused.get('call-17')?.reason).toBe('refused_by_store')
    expect(refused.get('call-17')?.message).toMatch(
      /invalid input syntax for type integer: "soon" .*column duration_seconds/,
    )
    expect(refused.get('call-18')?.message).toMatch(
      /value "3000000000" is out of range .*column duration_seconds/,
    )
    expect(await keysOf(db, 'tributary.interactions')).toHaveLength(497)
  })

  it('loses the rows with what no text of Postgres can hold', async () => {
    const db = await fixture()
    const sink = await db.sink()
    const batch = [
      person('text', [['firstName', 'a\0b']]),
      person('extra', [['tier', 'a\0b']]),
      person('deep', [['tier', { list: ['x', { 'a\0b': 1 }] }]]),
      person('name', [['ti\0er', 1]]),
      person('key\0', []),
      person('half', [['firstName', 'a\ud83d']]),
      person('half extra', [['tier', ['\udc00']]]),
      person('bottomless', [['tier', JSON.parse('['.repeat(9_000) + ']'.repeat(9_000))]]),
      person('fine', [
        ['firstName', 'back\\u0000slash'],
        ['tier', 'a\\u0000b\\'],
        ['rank', ['\\\\u0000', '\u0001😀']],
      ]),
    ]
    const refused = await refusals(sink.write(batch, NEVER))
    expect(await keysOf(db, 'tributary.contacts')).toEqual(['fine'])
    expect([...refused.keys()]).toEqual(batch.slice(0, -1).map(({ key }) => key))
    expect(refused.get('text')?.message).toContain('"first_name" contains a NUL character')
    expect(await db.ask('SELECT first_name, extra FROM tributary.contacts')).toEqual([
      { first_name: 'back\\u0000slash', extra: { tier: 'a\\u0000b\\', rank: ['\\\\u0000', '\u0001😀'] } },
    ])
  })

  it('is one transaction over all its tables', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    const record = change(
      contactRecords,
      'r',
      snapshot(at(1, 'snapshot'), [['timestamp', '2026-11-22T09:30:00Z']]),
    )
    await sink.write([record, call('i', 5), person('c')], NEVER)
    const [row] =
      await db.ask(`SELECT count(DISTINCT xmin::text)::int AS transactions, count(*)::int AS rows FROM (
      SELECT xmin FROM tributary.contacts UNION ALL SELECT xmin FROM tributary.interactions
      UNION ALL SELECT xmin FROM tributary.contact_records) AS t`)
    expect(row).toEqual({ transactions: 1, rows: 3 })
    const refused = await refusals(sink.write([call('bad', 'x'), person('good'), call('good', 6)], NEVER))
    expect([...refused.keys()]).toEqual(['bad'])
    expect(await keysOf(db, 'tributary.contacts')).toEqual(['c', 'good'])
  })

  it('of nothing is written at once', async () => {
    const db = await fixture()
    await expect((await db.sink()).write([], NEVER)).resolves.toBeUndefined()
  })

  it('of many megabytes is written', async () => {
    const db = await fixture()
    const sink = await db.sink()
    const batch = Array.from({ length: 12 }, (_, index) =>
      person(`big-${index}`, [['firstName', 'ä'.repeat(400_000)]]),
    )
    await sink.write(batch, NEVER)
    expect(
      await db.ask(
        'SELECT DISTINCT length(first_name) AS length, count(*)::int FROM tributary.contacts GROUP BY 1',
      ),
    ).toEqual([{ length: 400_000, count: 12 }])
  })
})

describe('the sink', () => {
  it('survives the end of its connection, in the midst of a batch and between two', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    await sink.write([person('a')], NEVER)
    const letGo = await hold(db, 'a')
    const later = change(contacts, 'a', snapshot(at(2, 'snapshot'), [['firstName', 'later']]))
    const writing = rejection(sink.write([later], NEVER))
    await db.ask('SELECT pg_terminate_backend($1)', [await waitingBackend(db)])
    const error = await writing
    expect(error).toBeInstanceOf(TransientError)
    expect(String(error)).toMatch(/could not write 1 rows: terminating connection .*57P01/)
    await letGo()
    await sink.write([later], NEVER)
    expect(await db.ask('SELECT first_name FROM tributary.contacts')).toEqual([{ first_name: 'later' }])

    await db.ask(DISCONNECT)
    await vi.waitFor(() => sink.ping(NEVER))
    await sink.write([person('b')], NEVER)
    expect(await keysOf(db, 'tributary.contacts')).toEqual(['a', 'b'])
  })

  it('gives up a batch when the signal is aborted, and works afterwards', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    await sink.write([person('a')], NEVER)
    const letGo = await hold(db, 'a')
    const stop = new AbortController()
    const later = change(contacts, 'a', snapshot(at(2, 'snapshot'), [['firstName', 'later']]))
    const writing = rejection(sink.write([later], stop.signal))
    await waitingBackend(db)
    const queued = rejection(sink.write([person('b')], stop.signal))
    await vi.waitFor(() => expect(sink.pool()).toEqual({ idle: 0, inUse: 1, waiting: 1 }))
    const reason = new Error('enough')
    stop.abort(reason)
    expect(await writing).toBe(reason)
    expect(await queued).toBe(reason)
    expect(await rejection(sink.write([later], stop.signal))).toBe(reason)
    await letGo()
    await sink.write([later, person('c')], NEVER)
    expect(sink.pool()).toEqual({ idle: 1, inUse: 0, waiting: 0 })
  })

  it('calls a server that is not there transient, and a schema that is not there a matter for people', async () => {
    const away = createPostgresSink({ url: 'postgres://127.0.0.1:1/none', entities: ENTITIES })
    const error = await rejection(away)
    expect(error).toBeInstanceOf(TransientError)
    expect(String(error)).toMatch(/ECONNREFUSED.*check that it runs/)

    const { postgresUrl, drop } = await freshDatabase()
    onTestFinished(drop)
    await expect(createPostgresSink({ url: postgresUrl, entities: ENTITIES })).rejects.toThrow(
      'Postgres lacks the migration 0001_base.sql: run `tributary migrate`',
    )
    const broken = createPostgresSink({ url: 'postgres://u:secret@host:port/', entities: ENTITIES })
    await expect(broken).rejects.toThrow('the Postgres URL cannot be read')
  })

  it('is closed as often as one likes', async () => {
    const db = await fixture()
    const sink = await db.sink()
    await sink.write([person('a')], NEVER)
    await Promise.all([sink.close(), sink.close()])
    await sink.close()
    await expect(sink.write([person('b')], NEVER)).rejects.toThrow()
  })

  it('acknowledges only what survives a crash, whatever the server is set to', async () => {
    const db = await fixture()
    const name = new URL(db.url).pathname.slice(1)
    await db.ask(`ALTER DATABASE ${name} SET synchronous_commit = off`)
    await db.ask(`ALTER DATABASE ${name} SET TimeZone = 'Asia/Tokyo'`)
    await db.ask(`CREATE TABLE seen (setting text);
      CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen VALUES (current_setting('synchronous_commit') || ' ' || current_setting('TimeZone'));
        RETURN NEW; END $$;
      CREATE TRIGGER look BEFORE INSERT ON tributary.contacts FOR EACH ROW EXECUTE FUNCTION look()`)
    await (await db.sink()).write([person('a')], NEVER)
    expect(await db.ask('SELECT setting FROM seen')).toEqual([{ setting: 'on UTC' }])
  })
})
