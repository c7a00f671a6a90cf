import { setTimeout } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startPgBouncer } from '../support/pgbouncer.js'
import { fixture, NEVER, person, rejection, rows, WAITS } from './postgres-fixture.js'
import { catalogOf, migrate, role } from './postgres-migrate-fixture.js'

describe('the settings of a database', () => {
  it('change nothing in what migrate does', async () => {
    const db = await fixture()
    const at = { day: '2026-03-04', span: 'P1DT2H', list: [null, 'a\\b'], note: 'c\\d' }
    await (await db.sink()).write([person('a', 1, Object.entries(at))], NEVER)
    const [database] = await db.ask<{ name: string }>('SELECT current_database() AS name')
    const settings = {
      standard_conforming_strings: 'off',
      quote_all_identifiers: 'on',
      DateStyle: 'SQL, DMY',
      IntervalStyle: 'sql_standard',
      array_nulls: 'off',
      statement_timeout: '1s',
      lock_timeout: '1s',
      default_transaction_isolation: 'serializable',
      search_path: 'audit',
    }
    for (const [name, value] of Object.entries(settings)) {
      await db.ask(`ALTER DATABASE ${database?.name} SET ${name} = '${value}'`)
    }
    await db.ask(`ALTER DATABASE ${database?.name} SET search_path = audit, tributary`)
    await db.ask(`
      ALTER TABLE tributary.contacts ADD day date, ADD span interval, ADD list text[],
        ADD note text NOT NULL DEFAULT E'back\\\\slash', ADD other text NOT NULL DEFAULT E'back\\\\slash';
      CREATE SCHEMA audit; CREATE TABLE audit.trail (id text);
      CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO trail VALUES (new.id); PERFORM pg_sleep(1.2); RETURN new; END';
      CREATE TRIGGER note BEFORE UPDATE OF note ON tributary.contacts FOR EACH ROW EXECUTE FUNCTION audit.note()`)
    await migrate(db)
    expect(
      await rows(db, '(SELECT id, extra, day, span, list, note, other FROM tributary.contacts)'),
    ).toEqual([
      {
        id: 'a',
        day: '2026-03-04',
        span: '1 day 02:00:00',
        list: [null, 'a\\b'],
        note: 'c\\d',
        other: 'back\\slash',
      },
    ])
    expect(await db.ask('SELECT * FROM audit.trail')).toEqual([{ id: 'a' }])
    expect(await migrate(db)).toEqual([])
  })

  it('do not let row-level security hide rows from it', async () => {
    const db = await fixture()
    const { name, url } = await role(db)
    await (await db.sink()).write([person('a', 1, [['vip', true]])], NEVER)
    await db.ask(`
      ALTER TABLE tributary.contacts ADD vip boolean, ENABLE ROW LEVEL SECURITY;
      GRANT USAGE ON SCHEMA tributary TO ${name}; GRANT ALL ON ALL TABLES IN SCHEMA tributary TO ${name}`)
    await expect(migrate({ url })).rejects.toThrow(/would be affected by row-level security policy/)
  })

  it('end a wait for a reader of a view, and no wait for a turn', async () => {
    const db = await fixture()
    const [database] = await db.ask<{ name: string }>('SELECT current_database() AS name')
    await db.ask(`ALTER DATABASE ${database?.name} SET lock_timeout = '1ms'`)
    await db.ask('ALTER TABLE tributary.contacts ADD vip boolean')
    for (const lock of ['migrate', 'layout']) {
      await db.ask(`SELECT pg_advisory_lock(hashtextextended('tributary.${lock}', 0))`)
    }
    const run = rejection(migrate(db))
    for (const lock of ['migrate', 'layout']) {
      await expect.poll(() => db.ask(WAITS)).toHaveLength(1)
      await setTimeout(20)
      expect(await db.ask(WAITS)).toHaveLength(1)
      if (lock === 'layout') await db.ask('BEGIN; SELECT FROM public.contacts')
      await db.ask(`SELECT pg_advisory_unlock(hashtextextended('tributary.${lock}', 0))`)
    }
    expect(String(await run)).toMatch(/lock timeout .*55P03/)
    await db.ask('COMMIT')
    expect(await migrate(db)).toEqual(['Postgres: made the view public.contacts'])
  })
})

describe('behind PgBouncer in transaction mode', () => {
  it('processes that migrate at the same time do each step once', async (context) => {
    const db = await fixture()
    const bouncer = await startPgBouncer(db.url)
    if (bouncer === undefined) return context.skip('there is no pgbouncer, and none can be installed')
    onTestFinished(() => bouncer.close())
    const people = Array.from({ length: 2_500 }, (_, n) =>
      person(`k${n}`, 1, [['level', n % 2 === 0 ? n : 'high']]),
    )
    await (await db.sink()).write(people, NEVER)
    await db.ask(`
      COMMENT ON VIEW public.contacts IS 'ours'; ALTER VIEW public.contacts SET (security_barrier = true);
      ALTER TABLE tributary.contacts ADD level integer`)
    const url = bouncer.urlOf(db.url)
    const runs = await Promise.all([1, 2, 3, 4].map(() => migrate({ url })))
    const steps = runs.flat().filter((line) => !line.includes('waiting for another process'))
    expect(new Set(steps).size).toBe(steps.length)
    expect(steps.sort()).toEqual([
      'Postgres: 1250 values do not fit level integer and stay in extra',
      'Postgres: made the view public.contacts',
      'Postgres: moved 1250 values from extra to tributary.contacts.level',
      'Postgres: tributary.contacts has new columns: level',
    ])
    await migrate({ url }, { dropViews: true })
    await db.ask('ALTER TABLE tributary.contacts ALTER level TYPE text')
    expect(await migrate({ url })).toContain(
      'Postgres: moved 1250 values from extra to tributary.contacts.level',
    )
    expect(await catalogOf(db)).toMatchObject({
      options: ['security_barrier=true'],
      comments: { '': 'ours' },
    })
    await db.ask('DROP SCHEMA tributary CASCADE')
    const anew = await Promise.all([1, 2, 3].map(() => migrate({ url })))
    expect(anew.flat().filter((line) => line.includes('0001_base.sql'))).toHaveLength(1)
  })
})
