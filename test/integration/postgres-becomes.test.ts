import { describe, expect, it, onTestFinished } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { openPostgresStates } from '../../src/sinks/postgres/read.js'
import { createPostgresSink, type PostgresSink } from '../../src/sinks/postgres/sink.js'
import { patch, snapshot, tombstone } from '../../src/state/state.js'
import { at, change, type Fixture, fixture, NEVER, refusals, workersRole } from './postgres-fixture.js'

type Fields = readonly (readonly [string, unknown])[]

const created = (key: string, second: number, fields: Fields) =>
  change(contacts, key, snapshot(at(second, 'snapshot'), fields))
const updated = (key: string, second: number, fields: Fields) =>
  change(contacts, key, patch(at(second), fields))
const deleted = (key: string, second: number) => change(contacts, key, tombstone(at(second, 'delete')))

const ADA = [
  ['email', 'ada@example.com'],
  ['phone', '+1'],
] as const

/** A sink whose role owns nothing, and has the rights that the documentation names. */
async function limitedSink(db: Fixture): Promise<PostgresSink> {
  const { url } = await workersRole(db)
  const sink = await createPostgresSink({ url, entities: [contacts] })
  onTestFinished(() => sink.close())
  return sink
}

async function view({ ask }: Fixture, columns: string): Promise<unknown[]> {
  return ask(`SELECT ${columns} FROM public.contacts ORDER BY id COLLATE "C"`)
}

/** What owners do to a table so that a row without an email is refused. */
const RULES: readonly (readonly [name: string, sql: string, kept: string | null])[] = [
  ['a NOT NULL', 'ALTER TABLE tributary.contacts ALTER email SET NOT NULL', 'ada@example.com'],
  [
    'a CHECK over two columns',
    'ALTER TABLE tributary.contacts ADD CHECK (phone IS NULL OR email IS NOT NULL), ADD CHECK (email IS NOT NULL OR last_name IS NOT NULL)',
    'ada@example.com',
  ],
  [
    'a domain that is NOT NULL',
    `CREATE DOMAIN public.address AS text NOT NULL CHECK (VALUE LIKE '%@%');
     CREATE DOMAIN public.mail AS public.address;
     DROP VIEW public.contacts; ALTER TABLE tributary.contacts ALTER email TYPE public.mail`,
    'ada@example.com',
  ],
  [
    'a trigger before an insert',
    `CREATE FUNCTION public.needs_email() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF NEW.email IS NULL THEN RAISE EXCEPTION 'a new contact needs an email'; END IF; RETURN NEW; END $$;
     CREATE TRIGGER needs_email BEFORE INSERT ON tributary.contacts FOR EACH ROW EXECUTE FUNCTION public.needs_email()`,
    null,
  ],
  [
    'a policy for inserts',
    `ALTER TABLE tributary.contacts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
     CREATE POLICY readers ON tributary.contacts FOR SELECT USING (true);
     CREATE POLICY changes ON tributary.contacts FOR UPDATE USING (true);
     CREATE POLICY news ON tributary.contacts FOR INSERT WITH CHECK (email IS NOT NULL)`,
    null,
  ],
]

describe.each(RULES)('a table with %s', (_name, sql, kept) => {
  it('takes what its rows become, and refuses only a new row that violates it', async () => {
    const db = await fixture()
    const sink = await db.sink()
    await sink.write([created('ada', 1, ADA), created('bob', 1, ADA), created('cy', 1, ADA)], NEVER)
    await db.ask(sql)
    await db.migrate()
    const limited = await limitedSink(db)
    await limited.write([updated('ada', 2, [['phone', '+2']]), deleted('bob', 2)], NEVER)
    expect(await view(db, 'id, email, phone')).toEqual([
      { id: 'ada', email: 'ada@example.com', phone: '+2' },
      { id: 'cy', email: 'ada@example.com', phone: '+1' },
    ])
    expect(await db.ask("SELECT email FROM tributary.contacts WHERE id = 'bob'")).toEqual([{ email: kept }])

    const batch = [updated('ada', 3, [['phone', '+3']]), updated('new', 3, [['phone', '+4']])]
    const writing = limited.write(batch, NEVER)
    if (sql.includes('POLICY')) return await expect(writing).rejects.toThrow(/row-level security/)
    const refused = await refusals(writing)
    expect([...refused.keys()]).toEqual(['new'])
    expect(await view(db, 'id, phone')).toEqual([
      { id: 'ada', phone: '+3' },
      { id: 'cy', phone: '+1' },
    ])
  })
})

it('workers that insert the same new rows at once refuse none and lose none', async () => {
  const db = await fixture()
  const sinks = await Promise.all([1, 2, 3].map(() => db.sink(1)))
  const fields = ['firstName', 'email', 'tier'] as const
  for (let round = 0; round < 10; round++) {
    const keys = Array.from({ length: 50 }, (_, n) => `${round}-${n}`)
    await Promise.all(
      sinks.map((sink, n) =>
        sink.write(
          keys.map((key) => updated(key, n, [[fields[n] ?? '', key]])),
          NEVER,
        ),
      ),
    )
  }
  expect(
    await db.ask(
      "SELECT count(*)::int FROM tributary.contacts WHERE first_name = id AND email = id AND extra ->> 'tier' = id",
    ),
  ).toEqual([{ count: 500 }])
})

it('a tombstone comes back with a newer snapshot alone, whatever it kept', async () => {
  const db = await fixture()
  await db.ask('ALTER TABLE tributary.contacts ALTER email SET NOT NULL')
  await db.migrate()
  const sink = await db.sink()
  await sink.write([created('ada', 1, ADA)], NEVER)
  await sink.write([deleted('ada', 3)], NEVER)
  await sink.write([updated('ada', 2, [['firstName', 'late']])], NEVER)
  await sink.write([updated('ada', 4, [['lastName', 'later']])], NEVER)
  expect(await view(db, 'id')).toEqual([])
  const states = openPostgresStates(db.url)
  onTestFinished(() => states.close())
  const stored = (await states.read(contacts, ['ada'])).get('ada')
  expect([...(stored?.fields.keys() ?? [])]).toEqual(['lastName'])
  await sink.write([created('ada', 5, [['email', 'a@example.com']])], NEVER)
  expect(await view(db, 'id, email, phone, last_name')).toEqual([
    { id: 'ada', email: 'a@example.com', phone: null, last_name: null },
  ])
})

describe('a column with a default', () => {
  const COLUMNS = `ALTER TABLE tributary.contacts
    ADD COLUMN uid uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN number bigserial,
    ADD COLUMN first_seen timestamptz DEFAULT clock_timestamp(), ADD COLUMN region text DEFAULT 'EU',
    ADD COLUMN vip boolean NOT NULL DEFAULT false, ADD COLUMN path text DEFAULT 'C:\\new'`
  const OWN = 'uid, number, first_seen, region, path'

  it('whose type has a length has the whole default', async () => {
    const db = await fixture()
    await db.ask(`ALTER TABLE tributary.contacts ADD COLUMN code char(3) DEFAULT 'abc',
      ADD COLUMN bits bit(3) DEFAULT B'101', ADD COLUMN codes char(3)[] DEFAULT '{abc}'`)
    await db.migrate()
    const sink = await db.sink()
    await sink.write([created('ada', 1, [])], NEVER)
    expect(await view(db, 'code, bits, codes::text')).toEqual([{ code: 'abc', bits: '101', codes: '{abc}' }])
  })

  it('that no event names gets it once, and is never touched', async () => {
    const db = await fixture()
    await db.ask(COLUMNS)
    await db.migrate()
    const sink = await db.sink()
    await sink.write([created('ada', 1, ADA), updated('bob', 1, ADA)], NEVER)
    const before = await view(db, `id, ${OWN}`)
    expect(before).toMatchObject([
      { id: 'ada', region: 'EU', path: 'C:\\new' },
      { id: 'bob', region: 'EU' },
    ])
    await db.ask("UPDATE tributary.contacts SET region = 'US' WHERE id = 'bob'")
    for (const second of [2, 3]) {
      await sink.write([created('ada', second, ADA), created('bob', second, [])], NEVER)
      await sink.write([updated('ada', second, [['phone', `${second}`]])], NEVER)
    }
    expect(await view(db, `id, ${OWN}`)).toEqual([before[0], { ...(before[1] as object), region: 'US' }])
    expect(await db.ask('SELECT last_value::int FROM tributary.contacts_number_seq')).toEqual([
      { last_value: 2 },
    ])
  })

  it('that an event names has what the events say, and the default again when they name it no more', async () => {
    const db = await fixture()
    await db.ask(COLUMNS)
    await db.migrate()
    const sink = await db.sink()
    const region = async () => (await view(db, 'region, vip'))[0]
    await sink.write(
      [
        created('ada', 1, [
          ['region', 'APAC'],
          ['vip', true],
        ]),
      ],
      NEVER,
    )
    expect(await region()).toEqual({ region: 'APAC', vip: true })
    await sink.write(
      [
        updated('ada', 2, [
          ['region', null],
          ['vip', null],
        ]),
      ],
      NEVER,
    )
    expect(await region()).toEqual({ region: null, vip: false })
    await sink.write(
      [
        updated('ada', 3, [
          ['region', 'LATAM'],
          ['vip', true],
        ]),
      ],
      NEVER,
    )
    await sink.write([created('ada', 1, [['region', 'APAC']])], NEVER)
    expect(await region()).toEqual({ region: 'LATAM', vip: true })
    await sink.write([created('ada', 4, ADA)], NEVER)
    expect(await region()).toEqual({ region: 'EU', vip: false })
    expect(await db.ask('SELECT _field_versions FROM tributary.contacts')).toEqual([
      { _field_versions: null },
    ])
  })
})
