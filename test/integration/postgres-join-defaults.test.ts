import fc from 'fast-check'
import { expect, it } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import type { Change } from '../../src/sinks/sink.js'
import { fold } from '../../src/state/fold.js'
import { join, patch, type State, snapshot, tombstone, UNKNOWN } from '../../src/state/state.js'
import { OPERATIONS } from '../../src/state/version.js'
import { at, change, type Fixture, fixture, NEVER } from './postgres-fixture.js'

/** What owners add to a table. The rows of all events keep its constraints, whatever their order. */
const OWNERS = `
  CREATE DOMAIN public.level AS integer DEFAULT 3 CHECK (VALUE > 0);
  ALTER TABLE tributary.contacts
    ADD region text DEFAULT 'EU', ADD vip boolean NOT NULL DEFAULT false, ADD level public.level,
    ADD code char(3) DEFAULT 'abc', ADD uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD nr bigint GENERATED ALWAYS AS IDENTITY, ADD loud text GENERATED ALWAYS AS (upper(region)) STORED,
    ADD CHECK (region <> 'nowhere')`
/** The same in parts: Postgres takes no identity columns there before version 17. */
const PARTITIONED = `
  DROP VIEW public.contacts; ALTER TABLE tributary.contacts RENAME TO old;
  CREATE TABLE tributary.contacts (LIKE tributary.old INCLUDING ALL EXCLUDING IDENTITY) PARTITION BY HASH (id);
  CREATE TABLE tributary.even PARTITION OF tributary.contacts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE tributary.odd PARTITION OF tributary.contacts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  ALTER TABLE tributary.contacts ALTER nr DROP NOT NULL;
  DROP TABLE tributary.old`

const DEFAULTS: Readonly<Record<string, unknown>> = { region: 'EU', vip: false, level: 3, code: 'abc' }
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  region: [null, 'US', 'APAC'],
  vip: [null, true, false],
  level: [null, 1, 2],
  code: [null, 'xyz'],
  email: [null, 'a', 'b'],
  tier: [null, 'gold', { level: 1 }],
}

const fields = fc
  .record(
    Object.fromEntries(Object.entries(VALUES).map(([name, values]) => [name, fc.constantFrom(...values)])),
    { requiredKeys: [] },
  )
  .map((record) => Object.entries(record))
const event = fc.record({
  key: fc.constantFrom('k1', 'k2'),
  operation: fc.constantFrom(...OPERATIONS),
  second: fc.integer({ min: 0, max: 5 }),
  fields,
})
const story = fc.array(event, { minLength: 1, maxLength: 10 }).chain((events) =>
  fc.record({
    events: fc.constant(events),
    order: fc
      .array(fc.nat(events.length - 1), { maxLength: 5 })
      .chain((again) =>
        fc.shuffledSubarray([...events.keys(), ...again], { minLength: events.length + again.length }),
      ),
    cuts: fc.array(fc.boolean(), { minLength: 15, maxLength: 15 }),
  }),
)

/** What readers see of a state in the columns above: a column has its default unless an event names it. */
function seen({ fields }: State): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const name of Object.keys(VALUES)) {
    const field = fields.get(name)
    const value = field === undefined ? DEFAULTS[name] : field.value
    row[name] = name === 'vip' ? (value ?? false) : (value ?? null)
  }
  return { ...row, loud: typeof row.region === 'string' ? row.region.toUpperCase() : null }
}

type Event = typeof event extends fc.Arbitrary<infer E> ? E : never

function changeOf(prefix: string, { key, operation, second, fields }: Event, index: number): Change {
  const version = at(second, operation, index)
  if (operation === 'delete') return change(contacts, prefix + key, tombstone(version))
  return change(contacts, prefix + key, (operation === 'snapshot' ? snapshot : patch)(version, fields))
}

function batchesOf(
  changes: readonly Change[],
  order: readonly number[],
  cuts: readonly boolean[],
): Change[][] {
  const batches: Change[][] = [[]]
  for (const [place, index] of order.entries()) {
    const next = changes[index]
    if (next) batches.at(-1)?.push(next)
    if (cuts[place]) batches.push([])
  }
  return batches
}

function modelOf(changes: readonly Change[]): Map<string, Record<string, unknown>> {
  const model = new Map<string, State>()
  for (const { key, state } of changes) model.set(key, join(model.get(key) ?? UNKNOWN, state))
  const keys = [...model.keys()].sort()
  return new Map(
    keys.map((key) => {
      const state = model.get(key) ?? UNKNOWN
      return [key, { ...seen(state), deleted: state.deleted }]
    }),
  )
}

async function rowsOf({ ask }: Fixture, prefix: string): Promise<Map<string, Record<string, unknown>>> {
  const found = await ask(
    `SELECT id, region, vip, level, code, email, extra -> 'tier' AS tier, loud, _deleted_at IS NOT NULL AS deleted, uid
     FROM tributary.contacts WHERE starts_with(id, $1) ORDER BY id`,
    [prefix],
  )
  return new Map(found.map(({ id, ...row }) => [String(id), row]))
}

it.each([
  ['of its own', OWNERS, false],
  ['in parts', `${OWNERS}; ${PARTITIONED}`, false],
  ['of its own, with batches at once', OWNERS, true],
])('a table %s with defaults ends in the rows of the model, whatever the order', async (_, sql, atOnce) => {
  const db = await fixture()
  await db.ask(sql)
  await db.migrate()
  const sinks = await Promise.all([db.sink(2), db.sink(2)])
  let run = 0
  const property = fc.asyncProperty(story, async ({ events, order, cuts }) => {
    const prefix = `run${run++}-`
    const changes = events.map((one, index) => changeOf(prefix, one, index))
    const batches = batchesOf(changes, order, cuts)
    const uids = new Map<string, unknown>()
    const write = async (batch: Change[], index: number) => {
      await sinks[index % 2]?.write([...fold(batch).keys()], NEVER)
    }
    if (atOnce) await Promise.all(batches.map(write))
    for (const [index, batch] of atOnce ? [] : batches.entries()) {
      await write(batch, index)
      for (const [id, { uid }] of await rowsOf(db, prefix)) {
        expect(uid).toBe(uids.get(id) ?? uid)
        uids.set(id, uid)
      }
    }
    const rows = await rowsOf(db, prefix)
    expect(new Map(Array.from(rows, ([id, { uid, ...row }]) => [id, row]))).toEqual(modelOf(changes))
  })
  await fc.assert(property, { numRuns: 40 })
})
