import { describe, expect, it, onTestFinished } from 'vitest'
import { fixture, NEVER, person } from './postgres-fixture.js'
import { catalogOf, decorate, migrate, role } from './postgres-migrate-fixture.js'

const MADE = 'Postgres: made the view public.contacts'

describe('what an owner has made of a view', () => {
  it.each([
    ['in place', 'ADD COLUMN vip boolean'],
    ['anew', 'RENAME COLUMN last_name TO surname'],
  ])('is kept when the view is made %s', async (_, change) => {
    const db = await fixture()
    await decorate(db)
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN last_name_before text')
    await migrate(db)
    const before = await catalogOf(db)
    expect(Object.values(before as object)).not.toContain(null)
    if (change.startsWith('RENAME'))
      await db.ask('ALTER TABLE tributary.contacts RENAME COLUMN last_name_before TO renamed')
    else await db.ask(`ALTER TABLE tributary.contacts ${change}`)
    expect(await migrate(db)).toContain(MADE)
    expect(await catalogOf(db)).toEqual(before)
    expect(await migrate(db)).toEqual([])
  })

  it('goes on hiding the rows that row-level security hides', async () => {
    const db = await fixture()
    const { name } = await role(db)
    await (await db.sink()).write([person('mine', 1, []), person('other', 1, [])], NEVER)
    await db.ask(`
      ALTER TABLE tributary.contacts ADD COLUMN a text, ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON tributary.contacts USING (id = 'mine');
      GRANT USAGE ON SCHEMA tributary TO ${name}; GRANT SELECT ON tributary.contacts, public.contacts TO ${name};
      ALTER VIEW public.contacts SET (security_invoker = true)`)
    const seen = async () => {
      await db.ask(`SET ROLE ${name}`)
      const ids = await db.ask('SELECT id FROM public.contacts')
      await db.ask('RESET ROLE')
      return ids
    }
    expect(await seen()).toEqual([{ id: 'mine' }])
    expect(await migrate(db)).toContain(MADE)
    expect(await seen()).toEqual([{ id: 'mine' }])
    await db.ask('ALTER TABLE tributary.contacts RENAME COLUMN a TO z')
    expect(await migrate(db)).toContain(MADE)
    expect(await seen()).toEqual([{ id: 'mine' }])
  })

  it('stops migrate where it would be lost with a column', async () => {
    const db = await fixture()
    await db.ask(`
      ALTER TABLE tributary.contacts ADD COLUMN a text`)
    await migrate(db)
    await db.ask(
      `COMMENT ON COLUMN public.contacts.a IS 'ours'; ALTER TABLE tributary.contacts RENAME a TO z`,
    )
    const before = await catalogOf(db)
    await expect(migrate(db)).rejects.toThrow(
      /it would lose the comment on a, because tributary\.contacts has no such column .*--drop-views/,
    )
    expect(await catalogOf(db)).toEqual(before)
    await migrate(db, { dropViews: true })
    const lines = await migrate(db)
    expect(lines).toContain('Postgres: the comment on a is gone with the column a')
    expect(lines).toContain(MADE)
  })

  it('stops migrate where the role that migrates must not give it back', async () => {
    const db = await fixture()
    const [migrator, reader, owner] = [await role(db), await role(db), await role(db)]
    await db.ask(`
      ALTER TABLE tributary.contacts ADD COLUMN a text;
      GRANT ${owner.name} TO ${migrator.name};
      GRANT CREATE, USAGE ON SCHEMA public, tributary TO ${owner.name};
      GRANT ALL ON ALL TABLES IN SCHEMA tributary TO ${owner.name};
      ALTER VIEW public.contacts OWNER TO ${owner.name}`)
    await migrate(db)
    await db.ask(`
      GRANT SELECT ON public.contacts TO ${reader.name} WITH GRANT OPTION;
      SET ROLE ${reader.name}; GRANT SELECT ON public.contacts TO PUBLIC; RESET ROLE;
      ALTER TABLE tributary.contacts RENAME a TO z`)
    const before = await catalogOf(db)
    await expect(migrate(migrator)).rejects.toThrow(
      /would lose the grant to PUBLIC: permission denied to set role .*nothing is changed.* as role_/,
    )
    expect(await catalogOf(db)).toEqual(before)
  })

  it.each([
    ['an expression', 'SELECT id, NULL::text AS email FROM tributary.contacts WHERE _deleted_at IS NULL'],
    ['fewer columns', 'SELECT id, phone FROM tributary.contacts WHERE _deleted_at IS NULL'],
    ['another name of a column', 'SELECT id AS key, phone FROM tributary.contacts WHERE _deleted_at IS NULL'],
    ['more rows', 'SELECT id, phone FROM tributary.contacts'],
    ['fewer rows', "SELECT id, phone FROM tributary.contacts WHERE _deleted_at IS NULL AND status = 'a'"],
    ['another table', 'SELECT id FROM tributary.interactions WHERE _deleted_at IS NULL'],
  ])('is not overwritten where it is a definition with %s', async (_, definition) => {
    const db = await fixture()
    await db.ask(`DROP VIEW public.contacts; CREATE VIEW public.contacts AS ${definition}`)
    await expect(migrate(db)).rejects.toThrow(
      /public\.contacts is not as Tributary made it: .*ALTER VIEW public\.contacts RENAME TO/,
    )
    await expect(migrate(db, { dropViews: true })).rejects.toThrow(/not as Tributary made it/)
    await db.ask('ALTER VIEW public.contacts RENAME TO masked')
    expect(await migrate(db)).toEqual([MADE])
  })

  it('is not taken for its own where an earlier version made the view', async () => {
    const db = await fixture()
    await db.ask('UPDATE tributary.layout SET view_columns = NULL')
    expect(await migrate(db)).toEqual([])
    await db.ask('ALTER VIEW public.contacts RENAME COLUMN email TO mail')
    await expect(migrate(db)).rejects.toThrow(/not as Tributary made it/)
  })
})

describe('names that need quotes', () => {
  it('do not make a view differ from itself', async () => {
    const db = await fixture()
    await db.ask(`ALTER TABLE tributary.contacts ADD "select" text, ADD "a ""b"", ( c" text, ADD "contacts.x" text,
      ADD "Größe" text, ADD " FROM  tributary.contacts" text`)
    expect(await migrate(db)).toContain(MADE)
    expect(await migrate(db)).toEqual([])
    await db.ask(`ALTER TABLE tributary.contacts RENAME "select" TO "from"`)
    expect(await migrate(db)).toContain(MADE)
    expect(await migrate(db)).toEqual([])
  })
})

describe('--dry-run', () => {
  it('says what would be done, and does none of it', async () => {
    const db = await fixture()
    expect(await migrate(db, { dryRun: true })).toEqual([])
    await (await db.sink()).write([person('a', 1, [['vip', true]])], NEVER)
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip boolean')
    const lines = [
      'Postgres: would try to move 1 values from extra to tributary.contacts.vip',
      'Postgres: would record that tributary.contacts has new columns: vip',
      'Postgres: would make the view public.contacts',
    ]
    expect(await migrate(db, { dryRun: true })).toEqual(lines)
    expect(await migrate(db, { dryRun: true })).toEqual(lines)
    await db.ask('DROP SCHEMA tributary CASCADE')
    const first = await migrate(db, { dryRun: true })
    expect(first[0]).toBe('Postgres: would apply 0001_base.sql')
    expect(await db.ask("SELECT to_regnamespace('tributary') AS schema")).toEqual([{ schema: null }])
  })
})

describe('a role that may only read', () => {
  it('migrates where nothing is to be done', async () => {
    const db = await fixture()
    const { name, url } = await role(db)
    const [database] = await db.ask<{ name: string }>('SELECT current_database() AS name')
    await db.ask(`
      REVOKE ALL ON DATABASE ${database?.name} FROM PUBLIC; GRANT CONNECT ON DATABASE ${database?.name} TO ${name};
      GRANT USAGE ON SCHEMA tributary TO ${name}; GRANT SELECT ON ALL TABLES IN SCHEMA tributary TO ${name};
      ALTER ROLE ${name} SET default_transaction_read_only = on`)
    onTestFinished(() => db.ask(`GRANT ALL ON DATABASE ${database?.name} TO PUBLIC`).then(() => {}))
    expect(await migrate({ url })).toEqual([])
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip boolean')
    expect(await migrate({ url }, { dryRun: true })).toHaveLength(2)
    await expect(migrate({ url })).rejects.toThrow(/25006/)
  })
})
