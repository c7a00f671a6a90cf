import { afterEach, beforeEach, expect, test } from 'vitest'
import { events } from '../../schemas/data-action.js'
import { ENTITIES } from '../../schemas/index.js'
import type { StateDocument } from '../../src/sinks/mongo/document.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { LONGEST_NAME, MOST_FIELDS } from '../../src/sinks/mongo/registry.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { snapshot } from '../../src/state/state.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'

const signal = new AbortController().signal
let mongo: FreshMongo
let sinks: Sink[]
beforeEach(async () => {
  mongo = await freshMongo()
  sinks = []
})
afterEach(async () => {
  for (const sink of sinks) await sink.close()
  await mongo.drop()
})

async function open(): Promise<Sink> {
  const sink = await createMongoSink({ ...mongo, entities: ENTITIES })
  sinks.push(sink)
  return sink
}

function change(key: string, fields: Record<string, unknown>, version = 'v1'): Change {
  const state = snapshot(version, Object.entries(fields))
  return { entity: events, key, state, origin: { partition: 0, entryId: '1-0', index: 0 } }
}

const db = () => mongo.client.db(mongo.databases.events)
const versions = () => db().collection('schema_versions').find().sort({ _id: 1 }).toArray()
const document = (key: string) => db().collection<StateDocument>('events').findOne({ _id: key })
const documents = () => db().collection('events').find().sort({ _id: 1 }).toArray()
const names = (count: number, prefix: string) => Array.from({ length: count }, (_, at) => `${prefix}${at}`)
const numbered = (fields: readonly string[]) => Object.fromEntries(fields.map((name, at) => [name, at]))

test('a field never seen before makes the next version; what comes then has every known field', async () => {
  const sink = await open()
  await sink.write([change('1', { id: '1', type: 'x', $odd: 1, schema_version: 'theirs' })], signal)
  expect(await versions()).toEqual([
    { _id: 1, version: 1, fields: ['id', 'type'], updated_at: expect.any(Date) },
  ])
  const first = await document('1')
  expect(first).toMatchObject({ id: '1', type: 'x', schema_version: 1, processed_at: expect.any(Date) })

  await sink.write([change('2', { id: '2', type: 'x', score: 9 })], signal)
  await sink.write([change('3', { id: '3', type: null })], signal)
  expect((await versions()).map(({ version, fields }) => [version, fields])).toEqual([
    [1, ['id', 'type']],
    [2, ['id', 'score', 'type']],
  ])
  expect(await document('1')).toEqual(first)
  expect(await document('2')).toMatchObject({ score: 9, schema_version: 2 })
  expect(await document('3')).toMatchObject({ id: '3', type: null, score: null, schema_version: 2 })
  const stored = await readStates(db(), events, ['3'])
  expect(stored.get('3')).toEqual(change('3', { id: '3', type: null }).state)
})

test('a redelivery writes nothing, not even to a document of an older version', async () => {
  const sink = await open()
  const old = change('old', { id: 'old', type: 'x', gone: null })
  const later = change('later', { id: 'later', type: 'x', more: 1 })
  await sink.write([old], signal)
  await sink.write([later], signal)
  const before = [await documents(), await versions()]
  for (const one of [sink, await open()]) await one.write([old, later], signal)
  expect([await documents(), await versions()]).toEqual(before)
})

test('a newer event brings its document to the version of today, and nulls for what it lacks', async () => {
  const sink = await open()
  await sink.write([change('1', { id: '1', type: 'x', a: 1 })], signal)
  await sink.write([change('2', { id: '2', type: 'x', b: 1 })], signal)
  await sink.write([change('1', { id: '1', type: 'y' }, 'v2')], signal)
  expect(await document('1')).toMatchObject({ type: 'y', a: null, b: null, schema_version: 2 })
})

test('a worker that has not heard of a version yet writes with the one that it knows', async () => {
  const [early, other] = [await open(), await open()]
  await early.write([change('1', { id: '1', type: 'x' })], signal)
  await other.write([change('2', { id: '2', type: 'x', b: 1 })], signal)
  await early.write([change('3', { id: '3', type: 'x' })], signal)
  expect(await document('3')).toMatchObject({ schema_version: 1 })
  await early.write([change('4', { id: '4', type: 'x', c: 1 })], signal)
  expect(await document('4')).toMatchObject({ b: null, c: 1, schema_version: 3 })
})

test('of several workers with new fields each version has one, and the last has all fields', async () => {
  const workers = await Promise.all([0, 1, 2, 3].map(open))
  const rounds = names(5, 'round')
  await Promise.all(
    workers.map(async (sink, worker) => {
      for (const round of rounds) {
        const key = `${worker} ${round}`
        await sink.write(
          [change(key, { id: key, type: 'x', shared: 1, [`${round} of ${worker}`]: 1 })],
          signal,
        )
      }
    }),
  )
  const found = await versions()
  expect(found.map(({ version }) => version)).toEqual(found.map((_, at) => at + 1))
  for (const [at, { _id, version, fields }] of found.entries()) {
    expect(_id).toBe(version)
    expect(fields).toEqual(expect.arrayContaining(found[at - 1]?.fields ?? []))
    expect(fields.length).toBeGreaterThan(found[at - 1]?.fields.length ?? 0)
  }
  const all = rounds.flatMap((round) => workers.map((_, worker) => `${round} of ${worker}`))
  expect(found.at(-1)?.fields).toEqual(['id', 'shared', 'type', ...all].sort())
  for (const written of await documents()) {
    const known: string[] = found[written.schema_version - 1]?.fields
    expect(Object.keys(written)).toEqual(expect.arrayContaining(known))
  }
})

test('a sender that invents names fills the registry up to its bound, loses nothing, and is reported once', async () => {
  const sink = await open()
  const tooLong = 'é'.repeat(LONGEST_NAME / 2 + 1)
  const fields = { id: '1', type: 'x', [tooLong]: 1, ['n'.repeat(LONGEST_NAME)]: 1 }
  await sink.write([change('1', fields)], signal)
  for (const part of names(5, 'part')) {
    const invented = numbered(names(1_000, part))
    await sink.write([change(part, { id: part, type: 'x', ...invented })], signal)
    expect(await document(part)).toMatchObject(invented)
  }
  const last = (await versions()).at(-1)
  expect(last).toMatchObject({ version: 2 })
  expect(last?.fields).toHaveLength(MOST_FIELDS)
  expect(last?.fields).not.toContain(tooLong)
  expect(await document('1')).toMatchObject(fields)
  expect(mongo.reported).toEqual([expect.stringMatching(/field "é+" of events is not registered/)])
})

test('a sink does not start without its registry', async () => {
  await db().dropCollection('schema_versions')
  await expect(open()).rejects.toThrow(/has no schema_versions, which events need/)
})
