import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MIGRATIONS, type MongoMigration } from '../../migrations/mongo/index.js'
import { contacts } from '../../schemas/cdc.js'
import { ENTITIES } from '../../schemas/index.js'
import { TransientError } from '../../src/errors.js'
import { appliedMigrations, bookkeepingOf } from '../../src/sinks/mongo/applied.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { withMigrationLock } from '../../src/sinks/mongo/migration-lock.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import { emptyMongo, type FreshMongo } from '../support/fresh-mongo.js'

const never = () => new AbortController().signal
let mongo: FreshMongo
let reported: string[]
beforeEach(() => {
  mongo = emptyMongo()
  reported = []
})
afterEach(() => mongo.drop())

function migrate(more: { migrations?: readonly MongoMigration[]; signal?: AbortSignal } = {}) {
  const report = (line: string) => void reported.push(line)
  return migrateMongo({
    ...mongo,
    entities: more.migrations ? [] : ENTITIES,
    report,
    signal: never(),
    ...more,
  })
}

const state = () => mongo.client.db(mongo.databases.state)
const open = () => createMongoSink({ ...mongo, entities: ENTITIES })

test('every migration of the folder is in the list, in order', () => {
  const files = readdirSync(new URL('../../migrations/mongo', import.meta.url))
  const numbered = files.filter((file) => /^\d/.test(file)).map((file) => file.replace('.ts', ''))
  expect(MIGRATIONS.map(({ name }) => name)).toEqual(numbered.sort())
})

describe('migrate', () => {
  test('makes all that the sink needs, once', async () => {
    await migrate()
    expect(await appliedMigrations(state())).toEqual(MIGRATIONS.map(({ name }) => name))
    expect(reported).toEqual(MIGRATIONS.map(({ name }) => `MongoDB: applied ${name}`))
    await (await open()).close()

    reported = []
    await migrate()
    expect(reported).toEqual(['MongoDB: nothing to migrate'])
    const indexes = await state().collection('state.contacts').indexes()
    expect(indexes.map(({ key }) => key)).toContainEqual({ '_tributary.deletedAt': 1 })
  })

  test('goes on where a crash has left everything but the note of it', async () => {
    await migrate()
    await bookkeepingOf(state()).deleteMany({})
    await migrate()
    await (await open()).close()
  })

  test('may be run by several at the same time: each migration is applied once', async () => {
    let running = 0
    let runs = 0
    const migrations = ['0001_a', '0002_b'].map((name) => ({
      name,
      async up() {
        runs++
        expect(++running).toBe(1)
        await sleep(20)
        running--
      },
    }))
    await Promise.all([1, 2, 3].map(() => migrate({ migrations })))
    expect(runs).toBe(2)
    expect(await bookkeepingOf(state()).findOne({ _id: 'lock' })).toBeNull()
  })

  test('halts at the migration that fails, and names it', async () => {
    const applied: string[] = []
    const step = (name: string, cause?: Error) => ({
      name,
      async up() {
        if (cause) throw cause
        applied.push(name)
      },
    })
    const broken = [step('0001_a'), step('0002_b', new Error('a field is missing')), step('0003_c')]
    await expect(migrate({ migrations: broken })).rejects.toThrow(/0002_b failed: a field is missing/)
    expect(await appliedMigrations(state())).toEqual(['0001_a'])
    await migrate({ migrations: [step('0001_a'), step('0002_b'), step('0003_c')] })
    expect(applied).toEqual(['0001_a', '0002_b', '0003_c'])
  })

  test('halts where the server refuses a migration, and is no reason to try again', async () => {
    const migrations: MongoMigration[] = [
      { name: '0001_a', up: async (databases) => void (await databases.state.command({ nonsense: 1 })) },
    ]
    const error = await migrate({ migrations }).catch((thrown: unknown) => thrown)
    expect(error).not.toBeInstanceOf(TransientError)
    expect(error).toMatchObject({ message: expect.stringMatching(/0001_a failed: .*nonsense/) })
  })

  test('takes the place of nothing that is there already', async () => {
    await state().collection('contacts').insertOne({ theirs: 1 })
    await expect(migrate()).rejects.toThrow(/0001_state failed: .+\.contacts exists already/)
    expect(await state().collection('contacts').countDocuments()).toBe(1)
  })

  test('stops between two migrations when it is aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('stopped')
    const applied: string[] = []
    const migrations = [
      { name: '0001_a', up: async () => controller.abort(reason) },
      { name: '0002_b', up: async () => void applied.push('0002_b') },
    ]
    await expect(migrate({ migrations, signal: controller.signal })).rejects.toBe(reason)
    expect(applied).toEqual([])
    expect(await appliedMigrations(state())).toEqual(['0001_a'])
    expect(await bookkeepingOf(state()).findOne({ _id: 'lock' })).toBeNull()
  })

  test('fails as transient where MongoDB is away, without a word of the password', async () => {
    const url = 'mongodb://someone:secret@127.0.0.1:1/?directConnection=true'
    const failure = migrateMongo({ ...mongo, url, entities: [], report: () => {}, signal: never() })
    await expect(failure).rejects.toThrow(TransientError)
    await expect(failure).rejects.toThrow(/^(?!.*secret).*127\.0\.0\.1:1.*URL/)
  })
})

describe('the sink does not start', () => {
  test('before the migrations, and names the first that is missing', async () => {
    await expect(open()).rejects.toThrow(/lacks migration 0001_state: run tributary migrate/)
    await migrate()
    await bookkeepingOf(state()).deleteOne({ _id: '0002_events' })
    await expect(open()).rejects.toThrow(/lacks migration 0002_events/)
  })

  test('for an entity that no migration has made a place for', async () => {
    await migrate()
    const view = { ...contacts, name: 'pets', mongo: { ...contacts.mongo, view: 'pets' } }
    await expect(createMongoSink({ ...mongo, entities: [view] })).rejects.toThrow(/has no pets.+migration/)
  })

  test('with a URL that is none', async () => {
    const url = 'http://example.com'
    await expect(createMongoSink({ ...mongo, url, entities: [] })).rejects.toThrow(/URL cannot be read/)
  })
})

describe('the lock', () => {
  const lock = (leaseMs: number, work: (held: AbortSignal) => Promise<unknown>, signal = never()) =>
    withMigrationLock(
      bookkeepingOf(state()),
      { report: (line) => reported.push(line), signal, leaseMs },
      work,
    )

  test('outlives its lease while its holder lives', async () => {
    let ended = false
    const first = lock(200, async () => {
      await sleep(1_000)
      ended = true
    })
    while ((await bookkeepingOf(state()).findOne({ _id: 'lock' })) === null) await sleep(5)
    await lock(200, async () => expect(ended).toBe(true))
    await first
    expect(reported.join()).toMatch(/waiting for the migration that .+ runs/)
  })

  test('of a holder that died is taken over', async () => {
    await bookkeepingOf(state()).insertOne({ _id: 'lock', holder: 'the dead', heartbeat: 7 })
    await lock(200, async () => {
      const { holder } = (await bookkeepingOf(state()).findOne({ _id: 'lock' })) ?? {}
      expect(holder).not.toBe('the dead')
    })
    expect(reported).toEqual(['MongoDB: waiting for the migration that the dead runs'])
  })

  test('that is lost tells the one who held it', async () => {
    await lock(100, async (held) => {
      await bookkeepingOf(state()).updateOne({ _id: 'lock' }, { $set: { holder: 'a thief' } })
      while (!held.aborted) await sleep(5)
      expect(held.reason).toBeInstanceOf(TransientError)
    })
    const { holder } = (await bookkeepingOf(state()).findOne({ _id: 'lock' })) ?? {}
    expect(holder).toBe('a thief')
  })

  test('is not waited for longer than the signal allows', async () => {
    await bookkeepingOf(state()).insertOne({ _id: 'lock', holder: 'somebody', heartbeat: 7 })
    const signal = AbortSignal.timeout(50)
    const error = await lock(2_000, async () => {}, signal).catch((thrown: unknown) => thrown)
    expect(error).toBe(signal.reason)
  })
})
