import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { contactRecords } from '../../schemas/contact-sync.js'
import { Layout } from '../../src/sinks/postgres/layout.js'
import { openPostgresStates } from '../../src/sinks/postgres/read.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { fold } from '../../src/state/fold.js'
import { join, newerFields, patch, type State, snapshot, tombstone, UNKNOWN } from '../../src/state/state.js'
import { formatTimestamp } from '../../src/state/timestamp.js'
import { OPERATIONS, timestampOf } from '../../src/state/version.js'
import { at, change, type Fixture, fixture, NEVER } from './postgres-fixture.js'

interface Row {
  readonly [column: string]: unknown
}

async function rowsOf({ ask }: Fixture, prefix = ''): Promise<Row[]> {
  const rows = await ask<{ row: Row }>(
    'SELECT to_jsonb(t) AS row FROM tributary.contacts t WHERE starts_with(id, $1) ORDER BY id COLLATE "C"',
    [prefix],
  )
  return rows.map(({ row }) => row)
}

async function layoutOf({ ask }: Fixture): Promise<Layout> {
  const [row] = await ask("SELECT columns FROM tributary.layout WHERE table_name = 'contacts'")
  return new Layout('contacts', 1, row?.columns as Layout['columns'])
}

/** The row that a state should be, made without any of the code that writes or reads rows. */
function rowFor(id: string, state: State, layout: Layout): Row {
  const { columns, extra } = layout.place(state)
  const versions: [string, string][] = []
  const row: Record<string, unknown> = { id }
  for (const [position, { name }] of layout.columns.entries()) {
    const field = columns[position]
    row[name] = field?.value ?? null
    if (field && field.version > state.version) versions.push([name, field.version])
  }
  for (const [name, { version }] of extra) if (version > state.version) versions.push([name, version])
  row.extra = extra.size === 0 ? null : sorted(Array.from(extra, ([name, { value }]) => [name, value]))
  row._version = state.version
  row._field_versions = versions.length === 0 ? null : sorted(versions)
  row._deleted_at = state.deleted ? Date.parse(formatTimestamp(timestampOf(state.version))) : null
  return row
}

/** The same with what Postgres says. Entries instead of objects, for a key may be `__proto__`. */
function comparable(row: Row): Row {
  const { extra, _field_versions: versions, _deleted_at: deleted } = row
  return {
    ...row,
    extra: extra && sorted(Object.entries(extra)),
    _field_versions: versions && sorted(Object.entries(versions)),
    _deleted_at: deleted && Date.parse(String(deleted)),
  }
}

function sorted<T>(entries: [string, T][]): [string, T][] {
  return entries.sort(([a], [b]) => (a < b ? -1 : 1))
}

const FIELDS = ['firstName', 'first_name', 'email', 'vip', 'vipLevel', '__proto__', 'id', 'extra', '_version']
const value = fc.oneof(
  fc.constantFrom(null, '', 'a', 'b\tc\\d\ne"f', '\\N', 'Zoë 😀'),
  fc.string({ maxLength: 4 }),
)
const event = fc.record({
  key: fc.constantFrom('k1', 'k2', 'K3'),
  operation: fc.constantFrom(...OPERATIONS),
  second: fc.integer({ min: 0, max: 6 }),
  fields: fc.uniqueArray(fc.tuple(fc.constantFrom(...FIELDS), value), {
    selector: ([name]) => name,
    maxLength: 5,
  }),
})
const story = fc.array(event, { minLength: 1, maxLength: 14 }).chain((events) =>
  fc.record({
    events: fc.constant(events),
    // Every event at least once, in any order, some twice, cut into batches anywhere.
    order: fc
      .array(fc.nat(events.length - 1), { maxLength: 6 })
      .chain((again) =>
        fc.shuffledSubarray([...events.keys(), ...again], { minLength: events.length + again.length }),
      ),
    cuts: fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
  }),
)

function stateOf(
  { operation, second, fields }: typeof event extends fc.Arbitrary<infer E> ? E : never,
  index: number,
): State {
  const version = at(second, operation, index)
  if (operation === 'delete') return tombstone(version)
  return operation === 'snapshot' ? snapshot(version, fields) : patch(version, fields)
}

describe('the join in SQL', () => {
  it('ends in the rows of the model, whatever the order, the duplicates and the batches', async () => {
    const db = await fixture()
    const layout = await layoutOf(db)
    const sinks = await Promise.all([db.sink(1), db.sink(1)])
    let run = 0
    const property = fc.asyncProperty(story, async ({ events, order, cuts }) => {
      const prefix = `run${run++}-`
      const changes = events.map((one, index) => change(contacts, prefix + one.key, stateOf(one, index)))
      const batches: Change[][] = [[]]
      for (const [place, index] of order.entries()) {
        const next = changes[index]
        if (next) batches.at(-1)?.push(next)
        if (cuts[place]) batches.push([])
      }
      for (const [index, batch] of batches.entries()) {
        await sinks[index % 2]?.write([...fold(batch).keys()], NEVER)
      }
      const model = [...fold(changes).keys()].sort((a, b) => (a.key < b.key ? -1 : 1))
      const rows = (await rowsOf(db, prefix)).map(comparable)
      expect(rows).toEqual(model.map(({ key, state }) => rowFor(key, state, layout)))
    })
    await fc.assert(property, { numRuns: 80 })
  })

  it('writes nothing when a batch comes again, in part or as a whole', async () => {
    const db = await fixture()
    const sink = await db.sink()
    const batch = [
      change(
        contacts,
        'a',
        snapshot(at(1, 'snapshot'), [
          ['firstName', 'Ada'],
          ['tier', 'gold'],
        ]),
      ),
      change(
        contacts,
        'b',
        patch(at(2), [
          ['email', 'b@example.com'],
          ['tier', 'tin'],
        ]),
      ),
      change(contacts, 'c', tombstone(at(3, 'delete'))),
      change(
        contacts,
        'd',
        join(snapshot(at(1, 'snapshot'), [['phone', '1']]), patch(at(4), [['phone', '2']])),
      ),
    ]
    await sink.write(batch, NEVER)
    const touched = () => db.ask('SELECT id, xmin::text, ctid::text FROM tributary.contacts ORDER BY id')
    const before = await touched()
    await sink.write(batch, NEVER)
    await sink.write([change(contacts, 'd', patch(at(3), [['phone', 'late']]))], NEVER)
    await sink.write([change(contacts, 'c', patch(at(2), [['phone', 'late']]))], NEVER)
    expect(await touched()).toEqual(before)
    await sink.write([change(contacts, 'd', patch(at(5), [['phone', '3']]))], NEVER)
    expect(await touched()).not.toEqual(before)
  })

  it('converges when two sinks write the same keys at once, each in an order of its own', async () => {
    const db = await fixture()
    const layout = await layoutOf(db)
    const sinks = await Promise.all([db.sink(2), db.sink(2)])
    const keys = Array.from({ length: 60 }, (_, index) => `key-${(index * 37) % 60}`)
    const model = new Map<string, State>()
    const batchesOf = (seed: number) =>
      Array.from({ length: 8 }, (_, batch) =>
        keys.map((key, place) => {
          const version = at(batch * 10 + seed, batch % 3 === 0 ? 'snapshot' : 'patch', place)
          const fields: [string, string][] = [
            ['email', `${seed}.${batch}`],
            [`extra${batch % 2}`, `${seed}`],
          ]
          const state = batch % 3 === 0 ? snapshot(version, fields) : patch(version, fields)
          model.set(key, join(model.get(key) ?? UNKNOWN, state))
          return change(contacts, key, state)
        }),
      )
    const write = (sink: Sink, batches: Change[][]) =>
      Promise.all(batches.map((batch) => sink.write(batch, NEVER)))
    const [forth, back] = [
      batchesOf(1),
      batchesOf(2)
        .map((batch) => batch.reverse())
        .reverse(),
    ]
    await Promise.all(sinks.map((sink, index) => write(sink, index === 0 ? forth : back)))
    const expected = [...model]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, state]) => rowFor(key, state, layout))
    expect((await rowsOf(db)).map(comparable)).toEqual(expected)
  })

  it('converts JSON to the types of the columns, leaves local columns alone and hides the deleted', async () => {
    const db = await fixture()
    await db.ask(`ALTER TABLE tributary.contact_records
      ADD COLUMN tags text[], ADD COLUMN detail jsonb, ADD COLUMN score numeric, ADD COLUMN vip boolean NOT NULL DEFAULT false,
      ADD COLUMN shout text GENERATED ALWAYS AS (upper(last_name)) STORED, ADD COLUMN nr int GENERATED ALWAYS AS IDENTITY`)
    await db.migrate()
    const sink = await db.sink()
    const fields: [string, unknown][] = [
      ['lastName', { not: 'a text' }],
      ['timestamp', '2026-11-22T09:30:00.123456+01:00'],
      ['tags', ['a "b"', null, 'c\\d', 'é']],
      ['detail', 'a text'],
      ['score', 1.5],
      ['sync_status', 'done'],
      ['shout', 'me'],
      ['nr', 7],
    ]
    await sink.write(
      [
        change(contactRecords, 'a', snapshot(at(1, 'snapshot'), fields)),
        change(contactRecords, 'b', tombstone(at(1, 'delete'))),
      ],
      NEVER,
    )
    const rows = await db.ask('SELECT to_jsonb(v) AS row FROM public.contact_records v')
    expect(rows).toEqual([
      {
        row: {
          id: 'a',
          external_id: null,
          first_name: null,
          last_name: '{"not":"a text"}',
          email: null,
          updated_ts: '2026-11-22T08:30:00.123456+00:00',
          sync_status: 'pending',
          extra: { sync_status: 'done', shout: 'me', nr: 7 },
          tags: ['a "b"', null, 'c\\d', 'é'],
          detail: 'a text',
          score: 1.5,
          vip: false,
          shout: '{"NOT":"A TEXT"}',
          nr: 1,
        },
      },
    ])
  })

  it('reads back as the states that were written', async () => {
    const db = await fixture()
    const sink = await db.sink()
    const known = snapshot(at(1, 'snapshot'), [
      ['firstName', 'Ada'],
      ['tier', { level: 1, points: 9_007_199_254_740_993n }],
    ])
    const state = join(
      known,
      patch(at(2), [
        ['email', null],
        ['vip', true],
        ['phone', '1'],
      ]),
    )
    const gone = join(tombstone(at(3, 'delete')), patch(at(4), [['phone', '2']]))
    await sink.write([change(contacts, 'a', state), change(contacts, 'b', gone)], NEVER)
    const states = openPostgresStates(db.url)
    try {
      const read = await states.read(contacts, ['a', 'b', 'unknown'])
      expect(read).toEqual(
        new Map([
          ['a', state],
          ['b', gone],
        ]),
      )
      expect(newerFields(read.get('a') ?? UNKNOWN).size).toBe(3)
    } finally {
      await states.close()
    }
  })
})
