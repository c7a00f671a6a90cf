import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { interactions } from '../../schemas/cdc.js'
import type { RejectedError } from '../../src/errors.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import { snapshot } from '../../src/state/state.js'
import { amid, deliveries } from '../support/deliveries.js'
import { at, change, ENTITIES, type Fixture, fixture, person, workersRole } from './postgres-fixture.js'

const names = async ({ ask }: Fixture, table = 'contacts') =>
  (await ask(`SELECT id FROM tributary.${table} ORDER BY id`)).map(({ id }) => id)

const honest = (count: number) =>
  Array.from({ length: count }, (_, n) =>
    person(`ok-${String(n).padStart(3, '0')}`, 1, [['firstName', `${n}`]]),
  )
/** A contact whose last name a trigger or a policy takes amiss. */
const bad = (key: string, lastName = 'bad') => person(key, 1, [['lastName', lastName]])
/** Lets a trigger of contacts do something for those whose last name is `bad`. */
async function trigger(db: Fixture, what: string): Promise<void> {
  await db.ask(`
    CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE found text;
      BEGIN ${what}; RETURN NEW; END $$;
    CREATE TRIGGER look BEFORE INSERT OR UPDATE ON tributary.contacts FOR EACH ROW
      WHEN (NEW.last_name = 'bad') EXECUTE FUNCTION look()`)
}

const TRIGGERS = {
  P0002: 'SELECT relname INTO STRICT found FROM pg_class WHERE false',
  P0003: 'SELECT relname INTO STRICT found FROM pg_class',
  '21000': 'found := (SELECT relname FROM pg_class)',
  '42704': "PERFORM to_tsvector('klingon'::regconfig, 'x')",
  '42883': 'PERFORM no_such_function(1)',
  '42P01': 'PERFORM FROM no_such_table',
  '42501': "RAISE EXCEPTION 'not you' USING ERRCODE = '42501'",
  '0A000': "RAISE EXCEPTION 'cannot do that' USING ERRCODE = '0A000'",
  '2F005': "RAISE EXCEPTION 'no return' USING ERRCODE = '2F005'",
  XX000: "RAISE EXCEPTION 'odd' USING ERRCODE = 'XX000'",
  '40001': "RAISE EXCEPTION 'a code of the server' USING ERRCODE = '40001'",
  '53100': "RAISE EXCEPTION 'another code of the server' USING ERRCODE = '53100'",
  '57P03': "RAISE EXCEPTION 'a third code of the server' USING ERRCODE = '57P03'",
  ZZ001: "RAISE EXCEPTION 'not on Sundays' USING ERRCODE = 'ZZ001'",
}

describe('one row that fails alone is its own fault', () => {
  it.each(Object.entries(TRIGGERS))('by %s of a trigger', async (code, what) => {
    const db = await fixture()
    await trigger(db, what)
    const { write, stats, errors } = deliveries(await db.sink())
    const { refused, postponed } = await write(...amid(honest(40), bad('x')))
    expect([...refused.keys()]).toEqual(['x'])
    expect(postponed).toEqual([])
    const { reason, message } = refused.get('x') as RejectedError
    expect(reason).toBe('refused_by_store')
    expect(message).toMatch(
      new RegExp(`^Postgres cannot store this: .+ \\(${code}; this row alone fails with it`),
    )
    expect(errors.map(({ suspicion }) => suspicion?.code)).toEqual([code, code, code])
    expect(String(errors[0])).not.toMatch(code === '42704' || code === '42501' ? /migrate/ : /^never$/)
    expect(await names(db)).toHaveLength(40)
    expect(stats.failing).toBeUndefined()
  })

  it('by a text that names no regconfig', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN lang regconfig')
    await db.migrate()
    const { write } = deliveries(await db.sink())
    const speaks = (key: string, lang: string) => person(key, 1, [['lang', lang]])
    const { refused } = await write(speaks('a', 'english'), speaks('b', 'klingon'), speaks('c', 'german'))
    expect([...refused.keys()]).toEqual(['b'])
    expect(refused.get('b')?.message).toContain('text search configuration "klingon" does not exist')
    expect(await names(db)).toEqual(['a', 'c'])
  })

  it('by row-level security, for a role that does not own the table', async () => {
    const db = await fixture()
    const { url } = await workersRole(db)
    await db.ask(`ALTER TABLE tributary.contacts ENABLE ROW LEVEL SECURITY;
      CREATE POLICY reading ON tributary.contacts FOR SELECT USING (true);
      CREATE POLICY changing ON tributary.contacts FOR UPDATE USING (true);
      CREATE POLICY adding ON tributary.contacts FOR INSERT WITH CHECK (last_name IS DISTINCT FROM 'bad')`)
    const sink = await createPostgresSink({ url, entities: ENTITIES })
    onTestFinished(() => sink.close())
    const { write } = deliveries(sink)
    const { refused } = await write(...amid(honest(10), bad('x')))
    expect([...refused.keys()]).toEqual(['x'])
    expect(refused.get('x')?.message).toMatch(/row-level security policy.+\(42501; this row alone/)
    expect(await names(db)).toHaveLength(10)
  })

  it('by taking too long, while others are written within seconds', async () => {
    const db = await fixture()
    await trigger(db, 'PERFORM pg_sleep(60)')
    const { write } = deliveries(await db.sink())
    const writing = write(...amid(honest(200), bad('x')))
    const other = write(person('other', 1, []))
    await other
    expect(await names(db)).toContain('other')
    const { refused, postponed } = await writing
    expect(postponed).toEqual([])
    expect([...refused.keys()]).toEqual(['x'])
    expect(refused.get('x')?.message).toMatch(/statement timeout \(57014; this row alone/)
    expect(await names(db)).toHaveLength(201)
  })

  it('but not of rows that are slow only together: alone each has its full time', async () => {
    const db = await fixture()
    await trigger(db, 'PERFORM pg_sleep(0.4)')
    const { write } = deliveries(await db.sink())
    const slow = Array.from({ length: 8 }, (_, n) => bad(`slow-${n}`))
    const fine = honest(40)
    const changes = slow.flatMap((one, n) => [...fine.slice(n * 5, n * 5 + 5), one])
    const { refused, postponed } = await write(...changes)
    expect([...refused.keys()]).toEqual([])
    for (const key of postponed)
      expect(await write(...slow.filter((one) => one.key === key))).toEqual({
        refused: new Map(),
        postponed: [],
      })
    expect(await names(db)).toHaveLength(48)
  })

  it('each in its own words, several in one batch', async () => {
    const db = await fixture()
    await trigger(
      db,
      "RAISE EXCEPTION 'no %', NEW.id USING ERRCODE = CASE NEW.id WHEN 'x' THEN 'ZZ001' WHEN 'y' THEN 'P0002' ELSE '42704' END",
    )
    const { write } = deliveries(await db.sink())
    const { refused } = await write(bad('x'), ...amid(honest(60), bad('y')), bad('z'), bad('zz'))
    const words = Array.from(refused, ([key, { message }]) => [key, /no \w+ \(\w+/.exec(message)?.[0]])
    expect(new Map(words as [string, string][])).toEqual(
      new Map([
        ['x', 'no x (ZZ001'],
        ['y', 'no y (P0002'],
        ['z', 'no z (42704'],
        ['zz', 'no zz (42704'],
      ]),
    )
    expect(await names(db)).toHaveLength(60)
  })

  it('though it came alone: it is postponed, and judged when another was written since', async () => {
    const db = await fixture()
    await trigger(db, TRIGGERS.ZZ001)
    const { write, stats } = deliveries(await db.sink())
    expect(await write(bad('x'))).toEqual({ refused: new Map(), postponed: ['x'] })
    expect(stats.failing?.message).toMatch(/not on Sundays \(ZZ001/)
    // Nothing new is written since, so nothing is proven.
    expect(await write(bad('x'))).toEqual({ refused: new Map(), postponed: ['x'] })
    await write(change(interactions, 'i', snapshot(at(1, 'snapshot'), [])))
    expect((await write(bad('x'))).postponed).toEqual(['x'])
    await write(...honest(1))
    expect(stats.failing).toBeUndefined()
    expect([...(await write(bad('x'))).refused.keys()]).toEqual(['x'])
  })
})

describe("what concerns all rows of a table is nobody's fault", () => {
  it.each([
    [
      'a right that is taken away',
      'REVOKE INSERT ON tributary.contacts FROM ROLE',
      'GRANT INSERT ON tributary.contacts TO ROLE',
    ],
    [
      'a trigger that always fails',
      'CREATE TRIGGER never BEFORE INSERT ON tributary.contacts FOR EACH ROW EXECUTE FUNCTION never()',
      'DROP TRIGGER never ON tributary.contacts',
    ],
    [
      'a table that is gone',
      'ALTER TABLE tributary.contacts RENAME TO gone',
      'ALTER TABLE tributary.gone RENAME TO contacts',
    ],
  ])('%s: other tables are written, and its own rows once it is over', async (_, begin, end) => {
    const db = await fixture()
    const { role, url } = await workersRole(db)
    await db.ask(`CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'never' USING ERRCODE = 'ZZ009'; END $$`)
    const sink = await createPostgresSink({ url, entities: ENTITIES })
    onTestFinished(() => sink.close())
    const { write, stats } = deliveries(sink)
    await db.ask(begin.replace('ROLE', role))
    const calls = Array.from({ length: 20 }, (_, n) =>
      change(interactions, `i-${n}`, snapshot(at(1, 'snapshot'), [['durationSeconds', n]])),
    )
    const mixed = calls.flatMap((call, n) => [call, ...honest(20).slice(n, n + 1)])
    const first = await write(...mixed)
    expect(first.refused.size).toBe(0)
    expect(first.postponed).toHaveLength(20)
    expect(stats.failing).toBeDefined()
    expect(await names(db, 'interactions')).toHaveLength(20)
    // They come again, alone, as often as they like.
    for (const one of honest(3)) expect((await write(one)).postponed).toEqual([one.key])
    await db.ask(end.replace('ROLE', role))
    expect(await write(...honest(20))).toEqual({ refused: new Map(), postponed: [] })
    expect(await names(db)).toHaveLength(20)
    expect(stats.failing).toBeUndefined()
  })
})

it('a table that someone has locked does not hold up other tables', async () => {
  const db = await fixture()
  const bare = await db.sink()
  const { write } = deliveries(bare)
  const call = (key: string) => change(interactions, key, snapshot(at(1, 'snapshot'), []))
  await write(person('first', 1, []), call('first'))
  await db.ask('BEGIN; LOCK TABLE tributary.contacts')
  const locked = honest(40)
  const first = await write(...locked, call('second'))
  expect(first.refused.size).toBe(0)
  expect([...first.postponed].sort()).toEqual(locked.map(({ key }) => key))
  await write(call('third'))
  await db.ask('ROLLBACK')
  expect(await write(...locked)).toEqual({ refused: new Map(), postponed: [] })
  expect(await names(db)).toHaveLength(41)
  expect(await names(db, 'interactions')).toEqual(['first', 'second', 'third'])
})

it('a row that waits for a lock is postponed for as long as it takes, and its neighbours are written', async () => {
  const db = await fixture()
  const { write } = deliveries(await db.sink())
  await write(person('locked', 1, []))
  await db.ask("BEGIN; SELECT FROM tributary.contacts WHERE id = 'locked' FOR UPDATE")
  const news = person('locked', 2, [['firstName', 'new']])
  const locked = await write(...amid(honest(30), news))
  expect(locked).toEqual({ refused: new Map(), postponed: ['locked'] })
  expect(await names(db)).toHaveLength(31)
  await write(person('more', 1, []))
  expect(await write(news)).toEqual({ refused: new Map(), postponed: ['locked'] })
  await db.ask('ROLLBACK')
  await sleep(1)
  expect(await write(news)).toEqual({ refused: new Map(), postponed: [] })
})
