import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { BSON, ObjectId } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { contacts } from '../../../../schemas/cdc.js'
import type { Entity } from '../../../../schemas/contract.js'
import { events } from '../../../../schemas/data-action.js'
import { fromDocument, type StateDocument, toDocument } from '../../../../src/sinks/mongo/document.js'
import { checkStorable } from '../../../../src/sinks/mongo/storable.js'
import { join, patch, type State, snapshot, tombstone, UNKNOWN } from '../../../../src/state/state.js'
import { NO_VERSION } from '../../../../src/state/version.js'

const HOSTILE =
  '__proto__ constructor _id _tributary _bsontype toBSON processed_at schema_version $set $ref $id a.b 7 id'
const name = fc.oneof(fc.constantFrom('', 'a', 'b', ...HOSTILE.split(' ')), fc.string({ unit: 'binary' }))
const number = fc.constantFrom(0, -0, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 53, 1e300, 5e-324, -1.5)
const isSafe = (whole: bigint) => whole <= 2n ** 53n && whole >= -(2n ** 53n)
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      number,
      fc.bigInt({ min: -(10n ** 34n) + 1n, max: 10n ** 34n - 1n }).filter((whole) => !isSafe(whole)),
      fc.double({ noNaN: true }),
      fc.string({ unit: 'binary' }),
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map(objectOf),
  ),
})).value

/** As JSON.parse makes it: `__proto__` is a field like any other. */
function objectOf(entries: readonly (readonly [string, unknown])[]): unknown {
  return Object.fromEntries(entries)
}

const version = fc.integer({ min: 1, max: 9 }).map((digit) => `v${digit}`)
const values = fc.array(fc.tuple(name, json), { maxLength: 4 })
const said: fc.Arbitrary<State> = fc.oneof(
  fc.tuple(version, values).map(([at, fields]) => snapshot(at, fields)),
  fc.tuple(version, values).map(([at, fields]) => patch(at, fields)),
  version.map(tombstone),
)
const states = fc.array(said, { maxLength: 4 }).map((all) => all.reduce(join, UNKNOWN))

function change(state: State, entity: Entity = contacts) {
  return { entity, key: 'k', state, origin: { partition: 0, entryId: '1-0', index: 0 } }
}

/** As it would come back from the server. */
function sent(document: StateDocument): StateDocument {
  return BSON.deserialize(BSON.serialize(document)) as StateDocument
}

describe.each([
  { entity: contacts, name: 'contacts', known: undefined },
  { entity: events, name: 'events', known: { version: 1, names: new Set(['a', 'b', '__proto__', 'more']) } },
])('the documents of $name', ({ entity, known }) => {
  test('give back every state that is storable', () => {
    fc.assert(
      fc.property(states, (state) => {
        fc.pre(checkStorable(change(state)) === undefined)
        const revision = new ObjectId()
        const document = sent(toDocument(entity, 'k', state, revision, new Date(), known))
        const found = fromDocument(entity, document)
        deepStrictEqual(found.state, state) // unlike Vitest's, it bears a field called `constructor`
        expect(found.revision).toEqual(revision)
        const names = Object.keys(document)
        expect(names.filter((field) => /^\$|\.|^$/.test(field))).toEqual([])
        expect(document._id).toBe('k')
      }),
      { numRuns: 500 },
    )
  })
})

test.each([
  [2 ** 31 - 1, 'int'],
  [2 ** 31, 'long'],
  [-(2 ** 31) - 1, 'long'],
  [2 ** 53, 'long'],
  [2n ** 53n + 1n, 'long'],
  [2n ** 63n - 1n, 'long'],
  [2n ** 63n, 'decimal'],
  [10n ** 34n - 1n, 'decimal'],
  [2 ** 60, 'double'],
  [1e300, 'double'],
  [1.5, 'double'],
  [-0, 'double'],
])('the number %s is of the type %s', (number, type) => {
  const typed = (value: unknown) => {
    const document = toDocument(contacts, 'k', snapshot('v1', [['n', value]]), new ObjectId(), new Date())
    const n = BSON.deserialize(BSON.serialize(document), { promoteValues: false }).n
    return Array.isArray(n) ? n[0].at : n
  }
  const types: Record<string, unknown> = {
    int: BSON.Int32,
    long: BSON.Long,
    decimal: BSON.Decimal128,
    double: BSON.Double,
  }
  expect(typed(number)).toBeInstanceOf(types[type])
  expect(String(typed(number))).toBe(String(number))
  expect(typed([{ at: number }])).toBeInstanceOf(types[type])
})

test('what another program wrote is written again as it was', () => {
  const theirs = {
    long: BSON.Long.fromString('9223372036854775807'),
    decimal: BSON.Decimal128.fromString('7'),
    date: new Date(0),
    id: new ObjectId(),
  }
  const { state } = fromDocument(contacts, { _id: 'k', theirs, ...theirs })
  const { _tributary, ...again } = toDocument(contacts, 'k', state, new ObjectId(), new Date())
  expect(BSON.serialize(again)).toEqual(BSON.serialize({ _id: 'k', theirs, ...theirs }))
})

test('a field keeps its name where that is free', () => {
  const state = snapshot('v1', [
    ['email', 'a@b.c'],
    ['_id', 1],
    ['$set', 2],
    ['a.b', 3],
  ])
  const { _tributary: bookkeeping, ...fields } = toDocument(contacts, 'k', state, new ObjectId(), new Date())
  expect(fields).toEqual({ _id: 'k', email: 'a@b.c' })
  expect(bookkeeping?.reserved?.map((field) => field.name)).toEqual(['_id', '$set', 'a.b'])
})

test('only what is newer than the base has a version of its own, and only a tombstone a time', () => {
  const now = new Date()
  const revision = new ObjectId()
  const whole = snapshot('v1', [['a', 1]])
  const bookkeepingOf = (state: State) => toDocument(contacts, 'k', state, revision, now)._tributary
  expect(bookkeepingOf(whole)).toEqual({ version: 'v1', revision })
  expect(bookkeepingOf(join(whole, patch('v2', [['b', 2]])))).toEqual({
    version: 'v1',
    revision,
    fieldVersions: [{ name: 'b', version: 'v2' }],
  })
  expect(bookkeepingOf(tombstone('v3'))).toEqual({ version: 'v3', revision, deletedAt: now })
})

test('the time of writing is no field of the state', () => {
  const now = new Date()
  const document = toDocument(events, 'k', snapshot('v1', [['processed_at', 'theirs']]), new ObjectId(), now)
  expect(document.processed_at).toBe(now)
  const { state } = fromDocument(events, document)
  expect([...state.fields]).toEqual([['processed_at', { value: 'theirs', version: 'v1' }]])
})

test('a known field that is missing is null, and told from one that was null when it came', () => {
  const known = { version: 3, names: new Set(['a', 'b', 'c']) }
  const state = snapshot('v1', [
    ['a', null],
    ['schema_version', 'theirs'],
  ])
  const document = toDocument(events, 'k', state, new ObjectId(), new Date(), known)
  expect(document).toMatchObject({ a: null, b: null, c: null, schema_version: 3 })
  expect(fromDocument(events, document).state).toEqual(state)
  expect(fromDocument(events, { ...document, d: null }).state).toEqual(state)
})

test('a null of a document that was written before there was a registry is one', () => {
  const state = snapshot('v1', [['a', null]])
  const document = toDocument(events, 'k', state, new ObjectId(), new Date())
  expect(fromDocument(events, document).state).toEqual(state)
})

test('a document that was there before us is older than every event', () => {
  const { state, revision } = fromDocument(contacts, { _id: 'k', email: 'old' })
  expect(revision).toBeNull()
  expect(state).toEqual({
    version: NO_VERSION,
    deleted: false,
    fields: new Map([['email', { value: 'old', version: NO_VERSION }]]),
  })
})

describe('a change is refused', () => {
  const nested = (levels: number) => Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1)
  test.each([
    ['a NUL in the name of a field', 'a\0b', 1],
    ['a NUL in a nested name', 'meta', [{ 'a\0b': 1 }]],
    ['a type of the driver', 'meta', { deep: { _bsontype: 'ObjectId' } }],
    ['a reference', 'meta', [{ $ref: 'contact.json', $id: 1 }]],
    ['a whole number of 35 digits', 'meta', [10n ** 34n]],
    ['too many levels', 'meta', nested(96)],
    ['far too many levels', 'meta', nested(100_000)],
  ])('for %s', (_, field, value) => {
    const refusal = checkStorable(change(snapshot('v1', [[field, value]])))
    expect(refusal?.reason).toBe('refused_by_store')
    expect(refusal?.message).toContain(JSON.stringify(field))
  })

  test.each([
    ['a NUL in a text', 'a\0b'],
    ['as many levels as are stored', nested(95)],
    ['operators and paths within a value', { $set: { 'a.b': 1 }, '': 2, $ref: 3 }],
  ])('but not for %s', (_, value) => {
    expect(checkStorable(change(snapshot('v1', [['meta', value]])))).toBeUndefined()
  })
})
