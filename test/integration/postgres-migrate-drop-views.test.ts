import { describe, expect, it } from 'vitest'
import { fixture, NEVER, person, rejection, rows } from './postgres-fixture.js'
import { catalogOf, decorate, migrate } from './postgres-migrate-fixture.js'

const WIDER = 'ALTER TABLE tributary.contacts ALTER phone TYPE varchar(40)'

describe('--drop-views', () => {
  it('lets an owner alter a type, and the next run gives everything back', async () => {
    const db = await fixture()
    const { owner, lead } = await decorate(db)
    const before = await catalogOf(db)
    expect(await rejection(db.ask(WIDER))).toMatchObject({ code: '0A000' })
    const lines = await migrate(db, { dropViews: true })
    expect(lines).toHaveLength(3)
    expect(lines[0]).toContain(
      `dropped the view public.contacts, and kept the owner ${owner}, security_invoker=true`,
    )
    expect(lines[0]).toContain(`the grant to ${lead} on email`)
    expect(await migrate(db, { dropViews: true })).toEqual([])
    await db.ask(WIDER)
    const again = await migrate(db)
    expect(again).toContain('Postgres: tributary.contacts.phone is character varying(40) now, and was text')
    expect(again).toContain('Postgres: made the view public.contacts')
    expect(await catalogOf(db)).toEqual(before)
    expect(await migrate(db)).toEqual([])
    expect(await db.ask('SELECT * FROM tributary.kept_views')).toEqual([])
  })

  it('drops no view where something depends on one, and names it', async () => {
    const db = await fixture()
    await db.ask(`
      CREATE VIEW public.mine AS SELECT id FROM public.interactions;
      CREATE MATERIALIZED VIEW public.cached AS SELECT count(*) FROM public.mine;
      CREATE FUNCTION public.all_interactions() RETURNS SETOF public.interactions LANGUAGE sql AS
        'SELECT * FROM public.interactions'`)
    const dry = await migrate(db, { dropViews: true, dryRun: true })
    expect(dry[1]).toMatch(
      /would drop the view public\.interactions, .*depend on it: .*all_interactions\(\), .*view .*mine/,
    )
    await expect(migrate(db, { dropViews: true })).rejects.toThrow(
      /public\.interactions cannot be dropped: .*view public\.mine depends.*; drop what depends on it/s,
    )
    expect(await db.ask("SELECT to_regclass('public.contacts')::text AS name")).toEqual([
      { name: 'contacts' },
    ])
    expect(await db.ask('SELECT * FROM tributary.kept_views')).toEqual([])
    expect(await migrate(db)).toEqual([])
  })

  it('makes no view with less, where what it kept cannot be given back', async () => {
    const db = await fixture()
    const { reader } = await decorate(db)
    const before = await catalogOf(db)
    await migrate(db, { dropViews: true })
    await db.ask(`DROP OWNED BY ${reader}; DROP ROLE ${reader}`)
    await expect(migrate(db)).rejects.toThrow(
      new RegExp(`would lose the grant to ${reader}.*: role "${reader}" does not exist; nothing is changed`),
    )
    expect(await catalogOf(db)).toBeUndefined()
    await db.ask(`CREATE ROLE ${reader}`)
    await migrate(db)
    expect(await catalogOf(db)).toEqual(before)
  })

  it('prints what it kept, where the view was made by hand meanwhile', async () => {
    const db = await fixture()
    await db.ask("COMMENT ON VIEW public.contacts IS 'ours'")
    await migrate(db, { dropViews: true })
    const names = 'id, external_id, first_name, last_name, email, phone, status, extra'
    await db.ask(
      `CREATE VIEW public.contacts AS SELECT ${names} FROM tributary.contacts WHERE _deleted_at IS NULL`,
    )
    const lines = await migrate(db)
    expect(lines).toContain(`  COMMENT ON VIEW public."contacts" IS 'ours';`)
    expect(await migrate(db)).toEqual([])
  })

  it('tries values again that did not fit the type before', async () => {
    const db = await fixture()
    const sink = await db.sink()
    await sink.write([person('a', 1, [['code', 'toolong']]), person('b', 1, [['code', 'ok']])], NEVER)
    await db.ask('ALTER TABLE tributary.contacts ADD code varchar(4)')
    expect(await migrate(db)).toContain(
      'Postgres: 1 values do not fit code character varying(4) and stay in extra',
    )
    expect(await migrate(db)).toEqual([])
    await migrate(db, { dropViews: true })
    await db.ask('ALTER TABLE tributary.contacts ALTER code TYPE varchar(40)')
    const lines = await migrate(db)
    expect(lines).toContain('Postgres: moved 1 values from extra to tributary.contacts.code')
    expect(lines).toContain(
      'Postgres: tributary.contacts.code is character varying(40) now, and was character varying(4)',
    )
    expect(await rows(db, 'public.contacts')).toEqual([
      { id: 'a', code: 'toolong' },
      { id: 'b', code: 'ok' },
    ])
  })
})
