import { describe, expect, it, onTestFinished } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import type { Entity } from '../../schemas/contract.js'
import { openPostgresStates } from '../../src/sinks/postgres/read.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import { at, ENTITIES, fixture, NEVER, person, rows } from './postgres-fixture.js'
import { migrate } from './postgres-migrate-fixture.js'

const generation = "SELECT generation FROM tributary.layout WHERE table_name = 'contacts'"

describe('a value in extra whose field has a column', () => {
  it('is moved there, once, and makes no worker prepare anew', async () => {
    const db = await fixture()
    await (await db.sink()).write([person('a', 1, []), person('b', 1, []), person('c', 1, [])], NEVER)
    const before = await db.ask(generation)
    await db.ask(
      `UPDATE tributary.contacts SET first_name = 'column', extra = jsonb_build_object('FirstName', 'extra', 'x', 1),
         _field_versions = CASE id WHEN 'a' THEN jsonb_build_object('FirstName', $1::text, 'x', $1)
           WHEN 'b' THEN jsonb_build_object('FirstName', $1::text, 'first_name', $2::text)
           ELSE jsonb_build_object('FirstName', $1::text) END`,
      [at(2), at(3)],
    )
    const moved = 'Postgres: moved 2 values from extra to tributary.contacts.first_name'
    expect(await migrate(db)).toEqual([moved])
    const base = { _version: at(1, 'snapshot'), extra: { x: 1 } }
    expect(await rows(db)).toEqual([
      { ...base, id: 'a', first_name: 'extra', _field_versions: { first_name: at(2), x: at(2) } },
      { ...base, id: 'b', first_name: 'column', _field_versions: { first_name: at(3) } },
      { ...base, id: 'c', first_name: 'extra', _field_versions: { first_name: at(2) } },
    ])
    expect(await migrate(db)).toEqual([])
    expect(await db.ask(generation)).toEqual(before)
  })

  it('stays there where it cannot be written at all', async () => {
    const db = await fixture()
    let deep: unknown = 'x'
    for (let depth = 0; depth < 7; depth++) deep = [deep]
    await (await db.sink()).write(
      [person('a', 1, [['tags', deep]]), person('b', 1, [['tags', ['x']]])],
      NEVER,
    )
    await db.ask('ALTER TABLE tributary.contacts ADD tags text[]')
    expect(await migrate(db)).toContain('Postgres: 1 values do not fit tags text[] and stay in extra')
    expect(await rows(db, 'public.contacts')).toEqual([
      { id: 'a', extra: { tags: deep } },
      { id: 'b', tags: ['x'] },
    ])
    expect(await migrate(db)).toEqual([])
  })
})

describe('a column of a domain', () => {
  it('gets the values that the domain takes', async () => {
    const db = await fixture()
    await (await db.sink()).write(
      [5, -1, null, 'x', 12345].map((level, n) => person(`k${n}`, 1, [['level', level]])),
      NEVER,
    )
    await db.ask(`
      CREATE DOMAIN public.digit AS numeric(4) CHECK (value > 0);
      CREATE DOMAIN public.level AS public.digit NOT NULL DEFAULT 7;
      CREATE TABLE public.move (id text);
      ALTER TABLE tributary.contacts ADD level public.level`)
    expect(await migrate(db)).toContain('Postgres: 3 values do not fit level public.level and stay in extra')
    expect(await rows(db, 'public.contacts')).toEqual([
      { id: 'k0', level: 5 },
      { id: 'k1', level: 7, extra: { level: -1 } },
      { id: 'k2', level: 7 },
      { id: 'k3', level: 7, extra: { level: 'x' } },
      { id: 'k4', level: 7, extra: { level: 12345 } },
    ])
    expect(await migrate(db)).toEqual([])
  })
})

describe('a column with a default', () => {
  it('holds a moved value as if an event had written it there', async () => {
    const db = await fixture()
    const sink = await db.sink()
    await sink.write([person('a', 1, [['region', 'US']]), person('b', 1, [])], NEVER)
    await db.ask("ALTER TABLE tributary.contacts ADD region text DEFAULT 'EU'")
    await migrate(db)
    await sink.write([person('c', 1, [['region', 'US']])], NEVER)
    const seen = () => db.ask('SELECT id, region FROM public.contacts ORDER BY id')
    expect(await seen()).toEqual([
      { id: 'a', region: 'US' },
      { id: 'b', region: 'EU' },
      { id: 'c', region: 'US' },
    ])
    await sink.write([person('a', 2, []), person('b', 2, []), person('c', 2, [])], NEVER)
    expect(await seen()).toEqual(['a', 'b', 'c'].map((id) => ({ id, region: 'EU' })))
  })

  it('that it gets later is for new rows, and for values that events have named and name no more', async () => {
    const db = await fixture()
    const sink = await db.sink()
    await sink.write(
      [person('a', 1, [['email', 'a']]), person('b', 1, []), person('c', 1, [['email', 'c']])],
      NEVER,
    )
    await db.ask("ALTER TABLE tributary.contacts ALTER email SET DEFAULT 'none'")
    const told: string[] = []
    const late = await createPostgresSink({
      url: db.url,
      entities: ENTITIES,
      report: (line) => void told.push(line),
    })
    onTestFinished(() => late.close())
    expect(told).toEqual([
      expect.stringMatching(/^the column email of tributary\.contacts has a default now: /),
    ])
    for (const one of [sink, late]) await one.write([person('c', one === sink ? 2 : 3, [])], NEVER)
    const seen = async () =>
      Object.fromEntries(
        (await db.ask('SELECT id, email FROM public.contacts')).map(({ id, email }) => [id, email]),
      )
    expect(await seen()).toEqual({ a: 'a', b: null, c: null })

    expect(await migrate(db)).toEqual(['Postgres: tributary.contacts.email has a default now'])
    const states = openPostgresStates(db.url)
    onTestFinished(() => states.close())
    expect((await states.read(contacts, ['a'])).get('a')?.fields.get('email')).toEqual({
      value: 'a',
      version: at(1, 'snapshot'),
    })
    await sink.write([person('a', 4, []), person('b', 4, []), person('d', 4, [])], NEVER)
    expect(await seen()).toEqual({ a: 'none', b: null, c: null, d: 'none' })
    expect(await migrate(db)).toEqual([])
  })

  it('that it loses does not stop a worker that runs', async () => {
    const db = await fixture()
    await db.ask(`CREATE SEQUENCE public.numbers;
      ALTER TABLE tributary.contacts ADD nr bigint DEFAULT nextval('public.numbers')`)
    await migrate(db)
    const sink = await db.sink()
    await sink.write([person('a', 1, [])], NEVER)
    await db.ask('ALTER TABLE tributary.contacts ALTER nr DROP DEFAULT; DROP SEQUENCE public.numbers')
    await sink.write([person('b', 1, [])], NEVER)
    expect(await db.ask('SELECT id, nr::int FROM public.contacts ORDER BY id')).toEqual([
      { id: 'a', nr: 1 },
      { id: 'b', nr: null },
    ])
  })
})

describe('a name that Postgres would cut', () => {
  const long = `a${'b'.repeat(63)}`
  const named = (postgres: object, fields: string[] = []): Entity => ({
    ...contacts,
    fields,
    postgres: { table: 'contacts', ...postgres },
  })

  it.each([
    ['the table', named({ table: long }), /the table of the entity/],
    ['a column of the contract', named({ columns: { x: long } }), /a column of tributary\.contacts/],
    ['a column of the readers', named({ local: [long] }), /a column of tributary\.contacts/],
    ['the column of a field', named({}, ['ä'.repeat(32)]), /for the field ä+ has 64 bytes/],
    ['the snake case of a field', named({}, [`${'b'.repeat(62)}C`]), /for the field b+C has 64 bytes/],
  ])('is refused: %s', async (_, entity, message) => {
    await expect(migrate({ url: 'postgres://localhost:1' }, { entities: [entity] })).rejects.toThrow(message)
  })

  it('is said where a column was meant for a field in extra', async () => {
    const db = await fixture()
    await (await db.sink()).write([person('a', 1, [[`${'b'.repeat(62)}Cd`, 1]])], NEVER)
    await db.ask(`ALTER TABLE tributary.contacts ADD ${'b'.repeat(62)}_cd integer`)
    expect((await migrate(db))[0]).toMatch(
      /the field b+Cd stays in extra, although tributary\.contacts has b+_: /,
    )
  })
})
