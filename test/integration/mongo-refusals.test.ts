import { afterAll, beforeAll, expect, test } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import type { Entity } from '../../schemas/contract.js'
import { events } from '../../schemas/data-action.js'
import { ENTITIES } from '../../schemas/index.js'
import { BatchError, type RejectedError } from '../../src/errors.js'
import type { StateDocument } from '../../src/sinks/mongo/document.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { join, patch, type State, snapshot } from '../../src/state/state.js'
import { freshName } from '../support/fresh.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'

/** What one event may bring at most. */
const MEBIBYTE = 2 ** 20

let mongo: FreshMongo
let sink: Sink
beforeAll(async () => {
  mongo = await freshMongo()
  sink = await createMongoSink({ ...mongo, entities: ENTITIES })
})
afterAll(async () => {
  await sink.close()
  await mongo.drop()
})

function change(state: State, entity: Entity = contacts, key = freshName('key')): Change {
  return { entity, key, state, origin: { partition: 0, entryId: '1-0', index: 0 } }
}

function of(fields: Record<string, unknown>, version = 'v1'): State {
  return snapshot(version, Object.entries(fields))
}

async function stored({ entity, key }: Change): Promise<State | undefined> {
  const db = mongo.client.db(mongo.databases[entity.mongo.database])
  return (await readStates(db, entity, [key])).get(key)
}

/** Writes changes among harmless neighbours, which have to get through, and tells which were refused. */
async function refused(...changes: Change[]): Promise<ReadonlyMap<Change, RejectedError>> {
  const neighbours = [contacts, events, contacts].map((entity) => change(of({ n: 1 }), entity))
  const [first, ...others] = neighbours
  const batch = [...(first ? [first] : []), ...changes, ...others]
  const error = await sink.write(batch, new AbortController().signal).catch((thrown: unknown) => thrown)
  for (const neighbour of neighbours) expect(await stored(neighbour)).toEqual(neighbour.state)
  if (error === undefined) return new Map()
  if (!(error instanceof BatchError)) throw error
  return error.rejected
}

function contactsCollection() {
  return mongo.client.db(mongo.databases.state).collection<StateDocument>('state.contacts')
}

const HOSTILE = {
  'a prototype': JSON.parse('{"__proto__": {"x": 1}, "constructor": [{"y": 2}], "toString": 3}'),
  operators: { $set: { a: 1 }, $where: '1', $ref: 'x' },
  paths: { 'a.b': 1, '.': 2, 'a..b': [{ 'c.d': 3 }] },
  'our own names': {
    _id: 'theirs',
    _tributary: { version: 'z', deletedAt: 1 },
    processed_at: 'theirs',
    id: 1,
  },
  "the driver's names": { toBSON: 1, _bsontype: 'ObjectId' },
  'an empty name': { '': 1, nested: { '': 2 } },
  'numbers as names': { 0: 'a', 10: 'b', '-1': 'c' },
  'a NUL in a text': { text: 'a\0b' },
  'a very long name': { ['n'.repeat(10_000)]: 1 },
  'numbers at the edges': { list: [-0, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e300, 5e-324, 0.1] },
}

test.each(Object.entries(HOSTILE))('fields with %s are stored as they are', async (_, fields) => {
  const documents = [contacts, events].map((entity) => change(of(fields), entity))
  expect((await refused(...documents)).size).toBe(0)
  for (const document of documents) expect(await stored(document)).toEqual(document.state)

  const patches = documents.map(({ key, entity }) => change(patch('v2', [['more', 1]]), entity, key))
  expect((await refused(...patches)).size).toBe(0)
  for (const [at, document] of documents.entries()) {
    expect(await stored(document)).toEqual(join(document.state, patches[at]?.state ?? document.state))
  }
})

test('what cannot be stored is refused alone, and says why', async () => {
  let deep: unknown = 1
  for (let level = 0; level < 1_000; level++) deep = [deep]
  const nul = change(of({ 'a\0b': 1 }))
  const nested = change(of({ meta: { 'a\0b': 1 } }), events)
  const tooDeep = change(of({ meta: deep }))
  const odd = change(of({ meta: { _bsontype: 'Long' } }))
  const rejected = await refused(nul, nested, tooDeep, odd)
  expect([...rejected.keys()]).toEqual([nul, nested, tooDeep, odd])
  expect(rejected.get(nul)?.message).toMatch(/"a\\u0000b".+NUL/)
  expect(rejected.get(tooDeep)?.message).toMatch(/deeper than/)
  for (const one of rejected.keys()) expect(await stored(one)).toBeUndefined()
})

test('a document beyond 16 MB is refused alone, however it came to that', async () => {
  const key = freshName('large')
  const parts = Array.from({ length: 15 }, (_, at) => [`part ${at}`, 'x'.repeat(MEBIBYTE)] as const)
  expect((await refused(change(patch('v1', parts), contacts, key))).size).toBe(0)
  const last = change(patch('w', [['last', 'x'.repeat(MEBIBYTE)]]), contacts, key)
  const whole = change(of({ text: 'x'.repeat(16 * MEBIBYTE) }))
  const rejected = await refused(last, whole)
  expect([...rejected.keys()]).toEqual([last, whole])
  expect(rejected.get(last)).toMatchObject({ reason: 'refused_by_store' })
  expect(rejected.get(last)?.message).toMatch(/larger than/)
  expect((await stored(last))?.fields.size).toBe(15)
})

test("a unique index of the owner's refuses, which is no lost race", async () => {
  await contactsCollection().createIndex({ badge: 1 }, { unique: true, sparse: true, name: 'badge' })
  const first = change(of({ badge: 1 }))
  const other = change(of({ badge: 2 }))
  expect((await refused(first, other)).size).toBe(0)
  const inserted = change(of({ badge: 1 }))
  const replaced = change(of({ badge: 1 }, 'v2'), contacts, other.key)
  const rejected = await refused(inserted, replaced)
  expect(new Set(rejected.keys())).toEqual(new Set([inserted, replaced]))
  for (const refusal of rejected.values()) expect(refusal.message).toMatch(/E11000.+badge/)
  expect(await stored(other)).toEqual(other.state)
})

test("a rule of the owner's refuses", async () => {
  const db = mongo.client.db(mongo.databases.state)
  const before = change(of({ n: 1 }))
  expect((await refused(before)).size).toBe(0)
  await db.command({ collMod: 'state.contacts', validator: { forbidden: { $exists: false } } })
  const inserted = change(of({ forbidden: 1 }))
  const replaced = change(patch('v2', [['forbidden', 1]]), contacts, before.key)
  const rejected = await refused(inserted, replaced)
  expect(new Set(rejected.keys())).toEqual(new Set([inserted, replaced]))
  for (const refusal of rejected.values()) expect(refusal.message).toMatch(/validation.+121/)
})
