import { Decimal128, Double, Int32, Long } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { ENTITIES } from '../../schemas/index.js'
import type { StateDocument } from '../../src/sinks/mongo/document.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { patch, type State, snapshot } from '../../src/state/state.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'

const signal = new AbortController().signal
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

const change = (key: string, state: State): Change => ({
  ...{ entity: contacts, key, state },
  origin: { partition: 0, entryId: '1-0', index: 0 },
})

/** Whole numbers, and the types that they have in MongoDB. */
const NUMBERS = [
  [2 ** 31 - 1, Int32],
  [2 ** 31, Long],
  [-(2 ** 31) - 1, Long],
  [1_763_780_760_123, Long],
  [9007199254740993n, Long],
  [-(2n ** 63n), Long],
  [12345678901234567890n, Decimal128],
  [10n ** 34n - 1n, Decimal128],
  [1e300, Double],
  [0.1, Double],
] as const

test('a number is of the type that keeps it, and stays so when another field changes', async () => {
  const db = mongo.client.db(mongo.databases.state)
  const collection = db.collection<StateDocument>(contacts.mongo.collection)
  const values = NUMBERS.map(([number]) => number)
  await sink.write(
    [
      change(
        'c',
        snapshot('v1', [
          ['n', values],
          ['deep', { at: values }],
        ]),
      ),
    ],
    signal,
  )
  for (const version of ['v1', 'v2', 'v3']) {
    if (version !== 'v1') await sink.write([change('c', patch(version, [['email', version]]))], signal)
    const found = await collection.findOne({ _id: 'c' }, { promoteValues: false })
    const stored = [found?.n, (found?.deep as { at: unknown } | undefined)?.at] as unknown[][]
    for (const list of stored) {
      expect(list.map(String)).toEqual(values.map(String))
      expect(list.map((one) => one?.constructor)).toEqual(NUMBERS.map(([, type]) => type))
    }
    const state = (await readStates(db, contacts, ['c'])).get('c')
    expect(state?.fields.get('n')?.value).toEqual(values)
  }
})
