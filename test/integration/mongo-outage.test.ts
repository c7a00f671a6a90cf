import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { events } from '../../schemas/data-action.js'
import { ENTITIES } from '../../schemas/index.js'
import type { Service } from '../../src/dev/services/service.js'
import { TransientError } from '../../src/errors.js'
import { readStates } from '../../src/sinks/mongo/read.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { type State, snapshot } from '../../src/state/state.js'
import { type FreshMongo, freshMongo } from '../support/fresh-mongo.js'
import { type OwnServers, ownServers } from '../support/own.js'

const never = () => new AbortController().signal
let own: OwnServers
let server: Service
let mongo: FreshMongo
let sink: Sink
beforeAll(async () => {
  own = ownServers()
  server = await own.mongo({ failPoints: true })
  mongo = await freshMongo(server.url)
  sink = await createMongoSink({ ...mongo, entities: ENTITIES })
})
afterAll(async () => {
  await sink?.close()
  await mongo?.client.close()
  await own.end()
})

function changes(run: string, count = 20): Change[] {
  return Array.from({ length: count }, (_, at) => ({
    entity: contacts,
    key: `${run} ${at}`,
    state: snapshot('v1', [['n', at]]),
    origin: { partition: 0, entryId: '1-0', index: at },
  }))
}

async function stored(wanted: readonly Change[]): Promise<State[]> {
  const db = mongo.client.db(mongo.databases.state)
  const found = await readStates(
    db,
    contacts,
    wanted.map(({ key }) => key),
  )
  return wanted.flatMap(({ key }) => found.get(key) ?? [])
}

async function failOnce(data: object): Promise<void> {
  const command = { configureFailPoint: 'failCommand', mode: { times: 1 }, data }
  await mongo.client.db('admin').command(command)
}

describe('a server that cannot now', () => {
  const timeout = { code: 64, errmsg: 'waiting for replication timed out' }
  test.each([
    [
      'is cut off once while it reads, and asked again by the driver',
      { failCommands: ['find'], closeConnection: true },
      undefined,
    ],
    ['is cut off while it writes', { failCommands: ['insert'], closeConnection: true }, /cut/],
    ['steps down', { failCommands: ['insert'], errorCode: 10107 }, /election/],
    ['takes too long', { failCommands: ['insert'], errorCode: 50 }, /load/],
    ['does not know what is wrong', { failCommands: ['insert'], errorCode: 2 }, /log/],
    ['finds no majority', { failCommands: ['insert'], writeConcernError: timeout }, /members/],
  ])('%s: the batch is tried again, and nothing is lost', async (run, data, message) => {
    const batch = changes(run)
    await failOnce(data)
    const error = await sink.write(batch, never()).catch((thrown: unknown) => thrown)
    if (message === undefined) expect(error).toBeUndefined()
    else {
      expect(error).toBeInstanceOf(TransientError)
      expect(error).toMatchObject({ message: expect.stringMatching(message) })
      await sink.write(batch, never())
    }
    expect(await stored(batch)).toEqual(batch.map(({ state }) => state))
  })
})

describe('a registry of fields that cannot be written now', () => {
  const write = (field: string) =>
    sink.write(
      changes(field, 1).map((change) => ({
        ...change,
        entity: events,
        state: snapshot('v1', [[field, 1]]),
      })),
      never(),
    )
  const versionsWith = (field: string) =>
    mongo.client.db(mongo.databases.events).collection('schema_versions').countDocuments({ fields: field })

  test('has the batch tried again', async () => {
    await failOnce({ failCommands: ['insert'], errorCode: 10107 })
    await expect(write('cut')).rejects.toThrow(/schema_versions.+election/)
    expect(await versionsWith('cut')).toBe(0)
    await write('cut')
    expect(await versionsWith('cut')).toBe(1)
  })
})

test('a server that hangs does not delay a caller that gives up', async () => {
  const batch = changes('hangs')
  const controller = new AbortController()
  const reason = new Error('shutting down')
  server.pause()
  try {
    const writing = sink.write(batch, controller.signal)
    setTimeout(() => controller.abort(reason), 100)
    await expect(writing).rejects.toBe(reason)
  } finally {
    server.resume()
  }
  await sink.write(batch, never())
  expect(await stored(batch)).toEqual(batch.map(({ state }) => state))
})

test('a server that is killed while it writes loses nothing that was acknowledged', async () => {
  const acknowledged: Change[] = []
  let failure: unknown
  const writing = (async () => {
    for (let nth = 0; failure === undefined; nth++) {
      const batch = changes(`killed ${nth}`)
      await sink.write(batch, never()).then(
        () => acknowledged.push(...batch),
        (error: unknown) => {
          failure = error
        },
      )
    }
  })()
  while (acknowledged.length < 60) await sleep(5)
  await server.kill()
  await Promise.all([
    writing,
    expect(sink.ping(never())).rejects.toThrow(TransientError),
    expect(createMongoSink({ ...mongo, entities: ENTITIES })).rejects.toThrow(/check that it runs/),
  ])

  expect(failure).toBeInstanceOf(TransientError)

  await server.start()
  await sink.ping(never())
  expect(await stored(acknowledged)).toEqual(acknowledged.map(({ state }) => state))
  const after = changes('after')
  await sink.write(after, never())
  expect(await stored(after)).toEqual(after.map(({ state }) => state))
})
