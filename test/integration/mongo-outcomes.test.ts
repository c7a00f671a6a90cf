import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { ENTITIES } from '../../schemas/index.js'
import { BatchError, type RejectedError, TransientError } from '../../src/errors.js'
import { databasesOf, mongoClient } from '../../src/sinks/mongo/connect.js'
import type { StateDocument } from '../../src/sinks/mongo/document.js'
import { FINAL_OF_A_DOCUMENT, OUTCOMES } from '../../src/sinks/mongo/outcomes.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import { writeChanges } from '../../src/sinks/mongo/write.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { patch, type State, snapshot } from '../../src/state/state.js'
import { freshName } from '../support/fresh.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'
import { type OwnServers, ownServers } from '../support/own.js'
import { startProxy, type TcpProxy } from '../support/proxy.js'

const NEVER = new AbortController().signal
let own: OwnServers
let mongo: FreshMongo
let proxy: TcpProxy
let proxyUrl: string
let sink: Sink
beforeAll(async () => {
  own = ownServers()
  const server = await own.mongo({ failPoints: true })
  mongo = await freshMongo(server.url)
  const url = new URL(server.url)
  proxy = await startProxy({ host: '127.0.0.1', port: Number(url.port) })
  url.port = String(proxy.port)
  // A fail point ends no term: what it says is believed until the driver looks for itself.
  url.searchParams.set('heartbeatFrequencyMS', '500')
  proxyUrl = url.href
  sink = await createMongoSink({ ...mongo, url: proxyUrl, entities: ENTITIES })
})
afterAll(async () => {
  await sink?.close()
  await proxy?.close()
  await mongo?.client.close()
  await own.end()
})

function change(key: string, state: State): Change {
  return { entity: contacts, key, state, origin: { partition: 0, entryId: '1-0', index: 0 } }
}

/** New contacts, and some news of contacts that are there: an insert and an update command. */
async function mixed(count = 20): Promise<Change[]> {
  const keys = Array.from({ length: count }, () => freshName('c'))
  const known = keys.slice(count / 2)
  await sink.write(
    known.map((key) => change(key, snapshot('v1', [['n', key]]))),
    NEVER,
  )
  return [
    ...keys.slice(0, count / 2).map((key) => change(key, snapshot('v1', [['n', key]]))),
    ...known.map((key) => change(key, patch('v2', [['more', key]]))),
  ]
}

/** Holds that every change is there once, and each document as often written as it had to be. */
async function expectStored(batch: readonly Change[]): Promise<void> {
  const db = mongo.client.db(mongo.databases.state)
  const found = await readStates(
    db,
    contacts,
    batch.map(({ key }) => key),
  )
  expect(found.size).toBe(batch.length)
  for (const { key, state } of batch) {
    expect(found.get(key)?.fields.get('n')?.value).toBe(key)
    for (const [name, field] of state.fields) expect(found.get(key)?.fields.get(name)).toEqual(field)
  }
}

/** @param times `alwaysOn` until {@link calm} */
async function fail(data: object, mode: unknown = { times: 1 }): Promise<void> {
  await mongo.client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
}
const calm = () => fail({ failCommands: [] }, 'off')

async function transient(batch: readonly Change[], message: RegExp): Promise<void> {
  const error = await sink.write(batch, NEVER).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(TransientError)
  expect(String(error)).toMatch(message)
}

const TRANSIENT = [...OUTCOMES].flatMap(([code, { outcome }]) => (outcome === 'final' ? [] : code))
/** Not those that need to be said of a document: test/integration/mongo-refusals.test.ts has them. */
const FINAL = [...OUTCOMES].flatMap(([code, { outcome }]) =>
  outcome === 'final' && code !== 121 && !FINAL_OF_A_DOCUMENT.has(code) ? code : [],
)

describe('a server that cannot now', () => {
  test.each(TRANSIENT)('because of %i refuses nothing, whichever command it strikes', async (errorCode) => {
    for (const command of ['insert', 'update']) {
      const batch = await mixed()
      await fail({ failCommands: [command], errorCode })
      await transient(batch, /^TransientError: MongoDB could not write to /)
      await calm()
      await sink.write(batch, NEVER)
      await expectStored(batch)
    }
  })

  test.each([64, 91, 100, 11600])(
    'has written, but cannot vouch for it (%i): it is written again, which changes nothing',
    async (code) => {
      for (const command of ['insert', 'update']) {
        const batch = await mixed()
        await fail({
          failCommands: [command],
          writeConcernError: { code, errmsg: 'waiting for replication timed out' },
        })
        await transient(batch, /waiting for replication timed out/)
        await expectStored(command === 'insert' ? batch.slice(0, 10) : batch)
        await sink.write(batch, NEVER)
        await expectStored(batch)
      }
    },
  )
})

describe('a network that fails in the midst of a bulk write', () => {
  test.each(['insert', 'update'])('before the %s loses nothing and doubles nothing', async (command) => {
    const batch = await mixed()
    await fail({ failCommands: [command], closeConnection: true })
    await transient(batch, /the connection was cut/)
    await sink.write(batch, NEVER)
    await expectStored(batch)
  })

  test('after it was applied, with the answer lost, neither', async () => {
    const batch = await mixed(200)
    const collection = mongo.client.db(mongo.databases.state).collection<{ _id: string }>('state.contacts')
    const first = batch[0]?.key ?? ''
    proxy.delay(150)
    const writing = transient(batch, /the connection was cut/)
    while ((await collection.findOne({ _id: first })) === null);
    proxy.cut()
    await writing
    proxy.restore()
    await sink.write(batch, NEVER)
    await expectStored(batch)
    expect(await collection.countDocuments({ _id: { $in: batch.map(({ key }) => key) } })).toBe(batch.length)
  })
})

test('a connection on which nothing comes any more is given up on this side', async () => {
  const client = mongoClient(proxyUrl, 500)
  try {
    const collection = databasesOf(client, mongo.databases).state.collection<StateDocument>('state.contacts')
    const write = (batch: readonly Change[]) =>
      writeChanges(
        {
          ...{ collection, entity: contacts, registry: undefined, signal: NEVER, limitMs: 30_000 },
          rejected: new Map(),
        },
        batch,
      )
    const batch = await mixed()
    await write(batch.slice(0, 1))
    proxy.freeze()
    // Still frozen: that this ends at all is what the test is about. Half a second of silence; then the driver asks once more, on a new connection, to a server that it has to find.
    await expect(write(batch)).rejects.toThrow(TransientError)
    proxy.restore()
    await write(batch)
    await expectStored(batch)
  } finally {
    proxy.restore()
    await client.close()
  }
})

describe('a document that MongoDB refuses for good', () => {
  test.each(FINAL)(
    'by %i of a whole command is found by bisecting, and all others are written',
    async (errorCode) => {
      const batch = await mixed(32)
      await fail({ failCommands: ['insert'], errorCode }, { times: 6 })
      const error = await sink.write(batch, NEVER).catch((thrown: unknown) => thrown)
      await calm()
      if (!(error instanceof BatchError)) throw error
      const rejected = error.rejected as Map<Change, RejectedError>
      // Refused are a batch of 32, its first 16, 8, 4, 2, and the first alone.
      expect([...rejected.keys()]).toEqual(batch.slice(0, 1))
      for (const { reason, message } of rejected.values()) {
        expect(reason).toBe('refused_by_store')
        expect(message).toContain(`(code ${errorCode}, ${OUTCOMES.get(errorCode)?.says})`)
      }
      await expectStored(batch.slice(1))
    },
  )
})
