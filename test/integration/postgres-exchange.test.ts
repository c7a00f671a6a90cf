import fc from 'fast-check'
import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { patch, snapshot, tombstone } from '../../src/state/state.js'
import { at, change, type Fixture, fixture, NEVER, refusals, WAITS } from './postgres-fixture.js'

type Fields = readonly (readonly [string, unknown])[]

const created = (key: string, second: number, fields: Fields) =>
  change(contacts, key, snapshot(at(second, 'snapshot'), fields))
const updated = (key: string, second: number, fields: Fields) =>
  change(contacts, key, patch(at(second), fields))

async function view({ ask }: Fixture, columns: string): Promise<unknown[]> {
  return ask(`SELECT ${columns} FROM public.contacts ORDER BY id COLLATE "C"`)
}

describe('a second unique constraint', () => {
  const emails = async (db: Fixture) =>
    Object.fromEntries((await view(db, 'id, email')).map((row) => Object.values(row as object)))

  it.each([
    ['two', ['b', 'a', 'c', 'd']],
    ['three in a circle', ['b', 'c', 'a', 'd']],
    ['all of them in another order', ['d', 'c', 'a', 'b']],
  ])('lets rows of a batch exchange their values: %s', async (_, order) => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD UNIQUE (email)')
    const sink = await db.sink()
    const keys = ['k1', 'k2', 'k3', 'k4']
    await sink.write(
      keys.map((key, index) => created(key, 1, [['email', 'abcd'[index]]])),
      NEVER,
    )
    const news = keys.map((key, index) => updated(key, 2, [['email', order[index]]]))
    await sink.write([created('k5', 2, [['email', 'new']]), ...news.reverse()], NEVER)
    expect(await emails(db)).toEqual({ k1: order[0], k2: order[1], k3: order[2], k4: order[3], k5: 'new' })
  })

  it('refuses no neighbour where the constraint is checked at the end of the transaction', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED')
    const sink = await db.sink()
    const rows = (second: number, all: Record<string, string>) =>
      Object.entries(all).map(([key, email]) => created(key, second, [['email', email]]))
    await sink.write(rows(1, { k1: 'a', k2: 'b', k3: 'c', k4: 'd', taken: 't' }), NEVER)
    // Halving parts k1 from k4.
    const refused = await refusals(sink.write(rows(2, { k1: 'd', k0: 't', k3: 'c', k4: 'a' }), NEVER))
    expect([...refused.keys()]).toEqual(['k0'])
    expect(await emails(db)).toEqual({ k1: 'd', k2: 'b', k3: 'c', k4: 'a', taken: 't' })
  })

  it('costs a bounded number of transactions where very many rows violate it', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD UNIQUE (email)')
    const sink = await db.sink()
    await sink.write([created('taken', 1, [['email', 't']])], NEVER)
    const batch = Array.from({ length: 100 }, (_, n) => created(`k${n}`, 2, [['email', 't']]))
    let transactions = 0
    const refused = await refusals(sink.write(batch, NEVER, () => void transactions++))
    expect(refused.size).toBe(100)
    // Halving takes 199.
    expect(transactions).toBeLessThanOrEqual(199 + 60)
  })

  it('refuses exactly the rows whose value another row holds, whatever else the batch does', async () => {
    const db = await fixture()
    await db.ask('CREATE UNIQUE INDEX ON tributary.contacts (lower(email))')
    const sink = await db.sink()
    let run = 0
    const row = fc.record({
      key: fc.constantFrom('1', '2', '3', '4', '5'),
      email: fc.constantFrom(...'abcdef'),
    })
    const property = fc.asyncProperty(
      fc.uniqueArray(row, { selector: ({ email }) => email, maxLength: 4 }),
      fc.uniqueArray(row, { selector: ({ key }) => key, minLength: 1 }),
      async (stored, batch) => {
        const prefix = `run${run++}-`
        const first = new Map(stored.map(({ key, email }) => [key, email]))
        const write = (second: number, rows: Iterable<readonly [string, string]>) =>
          refusals(
            sink.write(
              Array.from(rows, ([key, email]) => created(prefix + key, second, [['email', prefix + email]])),
              NEVER,
            ),
          )
        await write(1, first)
        const refused = await write(
          2,
          batch.map(({ key, email }) => [key, email] as const),
        )
        const expected = new Map(first)
        for (const { key, email } of batch) if (!refused.has(prefix + key)) expected.set(key, email)
        const found = await db.ask<{ id: string; email: string }>(
          'SELECT id, email FROM tributary.contacts WHERE starts_with(id, $1)',
          [prefix],
        )
        const rows = new Map(
          found.map(({ id, email }) => [id.slice(prefix.length), email.slice(prefix.length)]),
        )
        expect(rows).toEqual(expected)
        // A refused row's value is held by another row.
        for (const { key, email } of batch) {
          if (!refused.has(prefix + key)) continue
          expect([...rows].some(([other, held]) => other !== key && held === email)).toBe(true)
        }
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })
})

it('a row may refer to another row of the batch, in any order', async () => {
  const db = await fixture()
  await db.ask(
    'ALTER TABLE tributary.contacts ADD FOREIGN KEY (external_id) REFERENCES tributary.contacts (id)',
  )
  const sink = await db.sink()
  const refused = await refusals(
    sink.write(
      [
        created('a', 1, [['externalId', 'z']]),
        created('b', 1, [['externalId', 'nowhere']]),
        created('z', 1, []),
      ],
      NEVER,
    ),
  )
  expect([...refused.keys()]).toEqual(['b'])
  expect(await view(db, 'id, external_id')).toEqual([
    { id: 'a', external_id: 'z' },
    { id: 'z', external_id: null },
  ])
})

it('a tombstone is empty though another worker inserts its row at the same moment', async () => {
  const db = await fixture()
  const sink = await db.sink()
  await db.ask('BEGIN')
  await db.ask('INSERT INTO tributary.contacts (id, email, _version) VALUES ($1, $2, $3)', [
    'a',
    'a@example.com',
    at(1, 'snapshot'),
  ])
  const writing = sink.write([change(contacts, 'a', tombstone(at(2, 'delete')))], NEVER)
  const watcher = new pg.Client({ connectionString: db.url })
  await watcher.connect()
  onTestFinished(() => watcher.end())
  await vi.waitFor(async () => expect((await watcher.query(WAITS)).rows).toHaveLength(1), { timeout: 10_000 })
  await db.ask('COMMIT')
  await writing
  expect(await db.ask('SELECT email, _deleted_at IS NOT NULL AS deleted FROM tributary.contacts')).toEqual([
    { email: null, deleted: true },
  ])
})
