import fc from 'fast-check'
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { openStores } from '../../src/dev/ledger/stores.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { deliver } from '../../src/pipeline/deliver.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { createMongoSink } from '../../src/sinks/mongo/sink.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import type { Change, Sink } from '../../src/sinks/sink.js'
import { fold } from '../../src/state/fold.js'
import type { State } from '../../src/state/state.js'
import type { Entry } from '../../src/stream/entry.js'
import { freshDatabase, freshName } from '../support/fresh.js'

const signal = new AbortController().signal
const report = () => undefined
const databases = { state: freshName('cxone'), events: freshName('events') }
let postgresUrl: string

beforeAll(async () => {
  const fresh = await freshDatabase()
  postgresUrl = fresh.postgresUrl
  await migratePostgres({ url: postgresUrl, entities: ENTITIES, report, signal })
  await migrateMongo({ url: inject('services').mongoUrl, databases, entities: ENTITIES, report, signal })
  return () => fresh.drop()
})

/** What a run of the property draws: events as CXone would post them, and how they arrive. */
const FIELDS = ['firstName', 'email', 'status', 'mood', 'score', 'vip']
const value = fc.oneof(
  fc.constantFrom('a', 'b', null),
  fc.integer(),
  fc.boolean(),
  fc.array(fc.integer(), { maxLength: 2 }),
)
const event = fc.record({
  kind: fc.constantFrom('contact', 'interaction'),
  verb: fc.constantFrom('created', 'updated', 'updated', 'deleted'),
  key: fc.constantFrom('k1', 'k2', 'k3'),
  // Few moments, so that many events share one.
  second: fc.integer({ min: 0, max: 5 }),
  fields: fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 4 }),
})
const history = fc.array(event, { minLength: 1, maxLength: 12 }).chain((events) => {
  const arrivals = fc.shuffledSubarray([...events.keys()], { minLength: events.length })
  const again = fc.array(fc.nat(events.length - 1), { maxLength: 4 })
  const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 20, maxLength: 20 })
  return fc.record({ events: fc.constant(events), arrivals, again, cuts })
})

test('any history, in any order, doubled and cut into any batches, ends as the model in both stores', async () => {
  const [postgres, mongo] = await Promise.all([
    createPostgresSink({ url: postgresUrl, entities: ENTITIES, signal, report }),
    createMongoSink({ url: inject('services').mongoUrl, databases, entities: ENTITIES, report }),
  ])
  const stores = openStores(
    { MONGODB_STATE_DATABASE: databases.state, MONGODB_EVENTS_DATABASE: databases.events },
    { postgres: postgresUrl, mongo: inject('services').mongoUrl },
  )
  onTestFinished(async () => {
    await Promise.all([postgres.close(), mongo.close(), stores.close()])
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(history, async ({ events, arrivals, again, cuts }) => {
      run++
      const entries = events.map((drawn, position) => entryOf(drawn, position, run))
      const order = [...arrivals, ...again]
      const sinks: [Sink, (typeof stores.all)[number] | undefined][] = [
        [postgres, stores.all[0]],
        [mongo, stores.all[1]],
      ]
      for (const [sink, store] of sinks) {
        const decode = createDecoder({ contracts: CONTRACTS, sink: sink.name as 'mongo', maxClockSkewMs: 0 })
        const changesOf = (index: number) => {
          const entry = entries[index]
          return entry ? decode(entry).changes : []
        }
        for (const batch of cut(order, cuts)) {
          const { refused, postponed } = await deliver(batch.flatMap(changesOf), {
            sink,
            fold,
            batch: 100,
            signal,
            onRetry: report,
          })
          expect(refused.size + postponed.size).toBe(0)
        }
        for (const [{ entity, key }, parts] of fold(entries.flatMap((_, index) => changesOf(index)))) {
          const expected = modelOf(parts)
          const found = (await store?.read(entity, [key]))?.get(key)
          expect(found && comparable(found, sink.name)).toEqual(comparable(expected, sink.name))
        }
      }
    }),
    { numRuns: 25 },
  )
})

function entryOf(
  drawn: { kind: string; verb: string; key: string; second: number; fields: object },
  position: number,
  run: number,
): Entry {
  const { kind, verb, key, second, fields } = drawn
  const body = {
    webhookId: 'w',
    eventType: `${kind}.${verb}`,
    timestamp: `2026-11-01T00:00:0${second}Z`,
    eventData: { id: `${run}-${key}`, ...fields },
  }
  const id = `${1_763_000_000_000 + position}-0`
  return { partition: 0, id, source: 'cdc', delivery: '', trace: '', body: Buffer.from(JSON.stringify(body)) }
}

function* cut<T>(items: readonly T[], sizes: readonly number[]): Generator<T[]> {
  let start = 0
  for (const size of sizes) {
    if (start >= items.length) return
    yield items.slice(start, start + size)
    start += size
  }
}

function modelOf(parts: readonly Change[]): State {
  const [first] = [...fold(parts).keys()]
  if (!first) throw new Error('there is nothing to fold')
  return first.state
}

/**
 * A state as plain data. Postgres keeps texts in its columns and cannot tell NULL since the base from absent:
 * values of columns are compared as text, and such NULLs are left out on both sides.
 */
function comparable({ version, deleted, fields }: State, sink: string): unknown {
  const relational = sink === 'postgres'
  const kept = [...fields].filter(
    ([, field]) => !relational || field.value !== null || field.version > version,
  )
  const shown = kept.map(([name, field]) => [
    name,
    { version: field.version, value: show(field.value, relational) },
  ])
  return { version, deleted, fields: Object.fromEntries(shown) }
}

function show(value: unknown, relational: boolean): unknown {
  if (!relational || value === null) return value
  return typeof value === 'string' ? value : JSON.stringify(value)
}
