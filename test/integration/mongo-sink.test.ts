import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import type { Entity } from '../../schemas/contract.js'
import { events } from '../../schemas/data-action.js'
import { ENTITIES } from '../../schemas/index.js'
import type { StateDocument } from '../../src/sinks/mongo/document.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { fold } from '../../src/state/fold.js'
import { join, patch, type State, snapshot, tombstone } from '../../src/state/state.js'
import { makeVersion } from '../../src/state/version.js'
import { freshName } from '../support/fresh.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'

/** A signal that is never aborted. */
const never = () => new AbortController().signal
let mongo: FreshMongo
let sink: Sink
let other: Sink
beforeAll(async () => {
  mongo = await freshMongo()
  sink = await createMongoSink({ ...mongo, entities: ENTITIES })
  other = await createMongoSink({ ...mongo, entities: ENTITIES })
})
afterAll(async () => {
  await Promise.all([sink.close(), other.close()])
  await mongo.drop()
})

/** A version in the order of `at`, as events have it. */
function version(at: number) {
  return makeVersion(at, 'patch', { partition: 0, entryId: `${at}-0`, index: 0 })
}

function change(key: string, state: State, entity: Entity = contacts): Change {
  return { entity, key, state, origin: { partition: 0, entryId: '1-0', index: 0 } }
}

function database({ mongo: { database: kind } }: Entity) {
  return mongo.client.db(mongo.databases[kind])
}

async function stored(key: string, entity: Entity = contacts): Promise<State | undefined> {
  return (await readStates(database(entity), entity, [key])).get(key)
}

function collection(entity: Entity = contacts) {
  return database(entity).collection<StateDocument>(entity.mongo.collection)
}

describe('any history ends in the same documents', () => {
  const NAMES = ['a', 'b', 'c.d', '$e', '__proto__', 'constructor']
  const fields = fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.jsonValue()), {
    selector: ([name]) => name,
    maxLength: 4,
  })
  const event = fc.record({
    key: fc.constantFrom('1', '2', '3'),
    entity: fc.constantFrom(contacts, events),
    kind: fc.constantFrom(snapshot, patch, tombstone),
    fields,
  })
  /** A history is its events in the order of their versions; they arrive in another, some twice, in batches. */
  const history = fc.array(event, { minLength: 1, maxLength: 12 }).chain((all) =>
    fc.record({
      all: fc.constant(all),
      arrivals: fc
        .shuffledSubarray([...all.keys(), ...all.keys()], { minLength: all.length })
        .map((some) => [...some, ...all.keys()]),
      size: fc.integer({ min: 1, max: 8 }),
    }),
  )

  test('whatever their order, however often, in whatever batches', async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ all, arrivals, size }) => {
        const run = freshName('run')
        const changes = all.map(({ key, entity, kind, fields: values }, at) =>
          change(`${run} ${key}`, kind(version(at), values), entity),
        )
        for (let start = 0; start < arrivals.length; start += size) {
          const batch = arrivals.slice(start, start + size).flatMap((at) => changes[at] ?? [])
          await sink.write([...fold(batch).keys()], never())
        }
        const model = [...fold(changes).keys()]
        for (const { key, entity, state } of model) deepStrictEqual(await stored(key, entity), state)
      }),
      { numRuns: 30 },
    )
  })

  test('and however many write them at the same time', async () => {
    const changes = Array.from({ length: 120 }, (_, at) =>
      change(`shared ${at % 7}`, patch(version(at), [[`field ${at % 11}`, at]])),
    )
    const batches = Array.from({ length: 12 }, (_, nth) => changes.filter((_, at) => at % 12 === nth))
    await Promise.all(
      batches.map((batch, nth) => (nth % 2 === 0 ? sink : other).write([...fold(batch).keys()], never())),
    )
    for (const { key, state } of fold(changes).keys()) expect(await stored(key)).toEqual(state)
  })
})

describe('a write', () => {
  test('of what is known already changes nothing', async () => {
    const key = freshName('again')
    const first = snapshot(version(1), [['email', 'a@b.c']])
    const second = patch(version(3), [['phone', '1']])
    for (const state of [first, second]) await sink.write([change(key, state)], never())
    const before = await collection().findOne({ _id: key })
    const late = patch(version(2), [['phone', '0']])
    for (const state of [first, second, join(first, second), late]) {
      await sink.write([change(key, state)], never())
    }
    expect(await collection().findOne({ _id: key })).toEqual(before)
  })

  test('joins what an event says into a document that was there before us', async () => {
    const key = freshName('foreign')
    await collection().insertOne({ _id: key, email: 'old', theirs: 1 })
    await sink.write([change(key, patch(version(1), [['email', 'new']]))], never())
    expect(await collection().findOne({ _id: key })).toMatchObject({ email: 'new', theirs: 1 })
    await sink.write([change(key, snapshot(version(2), [['email', 'newer']]))], never())
    const { _tributary, ...rest } = (await collection().findOne({ _id: key })) ?? {}
    expect(rest).toEqual({ _id: key, email: 'newer' })
  })

  test('notes the time where readers want it', async () => {
    const key = freshName('timed')
    const from = Date.now()
    await sink.write([change(key, snapshot(version(1), [['type', 'x']]), events)], never())
    const document = await collection(events).findOne({ _id: key, processed_at: { $gte: new Date(from) } })
    expect(document?.processed_at).toBeInstanceOf(Date)
  })

  test('of nothing does nothing', async () => {
    await sink.write([], never())
  })

  test('of a thousand documents brings them all', async () => {
    const run = freshName('many')
    const states = Array.from({ length: 1_000 }, (_, at) => snapshot(version(at), [['n', at]]))
    await sink.write(
      states.map((state, at) => change(`${run} ${at}`, state)),
      never(),
    )
    const keys = states.map((_, at) => `${run} ${at}`)
    const found = await readStates(database(contacts), contacts, [...keys, ...keys.map((key) => `no ${key}`)])
    expect(found).toEqual(new Map(states.map((state, at) => [`${run} ${at}`, state])))
  })

  test('throws the reason of its signal, once that is aborted', async () => {
    const key = freshName('aborted')
    const reason = new Error('shutting down')
    const write = (signal: AbortSignal) => sink.write([change(key, snapshot(version(1), [['n', 1]]))], signal)
    await expect(write(AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    const writing = write(controller.signal)
    controller.abort(reason)
    await expect(writing).rejects.toBe(reason)
    await write(never())
    expect(await stored(key)).toBeDefined()
  })
})

describe('the view', () => {
  test('shows living documents, with id and without bookkeeping', async () => {
    const run = freshName('view')
    const view = database(contacts).collection<StateDocument>('contacts')
    const find = async (id: string) => await view.find({ id: `${run} ${id}` }).toArray()
    const write = (id: string, state: State) => sink.write([change(`${run} ${id}`, state)], never())

    await write('alive', snapshot(version(1), [['email', 'a@b.c']]))
    expect(await find('alive')).toEqual([{ _id: `${run} alive`, id: `${run} alive`, email: 'a@b.c' }])

    await write('alive', tombstone(version(2)))
    await write('alive', patch(version(3), [['email', 'late']]))
    expect(await find('alive')).toEqual([])

    await write('alive', snapshot(version(4), [['phone', '1']]))
    expect(await find('alive')).toEqual([{ _id: `${run} alive`, id: `${run} alive`, phone: '1' }])
  })
})

test('closing twice is closing', async () => {
  const own = await createMongoSink({ ...mongo, entities: ENTITIES })
  await own.ping(never())
  await own.close()
  await own.close()
})
