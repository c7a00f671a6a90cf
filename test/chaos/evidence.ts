import { MongoClient } from 'mongodb'
import pg from 'pg'
import type { Entity } from '../../schemas/contract.js'
import { ENTITIES } from '../../schemas/index.js'
import { openStores, type Stores } from '../../src/dev/ledger/stores.js'
import { readUnacknowledged } from '../../src/dev/ledger/unacknowledged.js'
import type { State } from '../../src/state/state.js'
import { browse } from '../../src/stream/dead-letters/browse.js'
import type { Entry } from '../../src/stream/entry.js'
import type { RedisClient } from '../../src/stream/redis.js'
import type { Sink } from './expected.js'
import { SINKS } from './expected.js'
import { DATABASES, type Fleet, PARTITIONS } from './fleet.js'

/** A dead letter as the verdict sees it. */
export interface KeptLetter {
  readonly sink: string
  /** Reference of its entry; empty where the edge wrote it. */
  readonly entry: string
  /** `undefined`: the request as a whole. */
  readonly index: number | undefined
  readonly reason: string
}

/** A record of the clean feed. */
export interface KeptRecord {
  readonly key: string
  /** Reference of the entry that it came from. */
  readonly entry: string
  /** JSON. */
  readonly value: string
}

/** Everything of one entity that a store holds. */
export interface Holding {
  readonly states: ReadonlyMap<string, State>
  /** How many the readers see, through the view. */
  readonly visible: number
}

/** All that is there in the end: in both stores, in the feed, among the dead letters, and in the groups. */
export interface Evidence {
  readonly letters: readonly KeptLetter[]
  readonly records: readonly KeptRecord[]
  readonly stores: Readonly<Record<'postgres' | 'mongo', ReadonlyMap<Entity, Holding>>>
  /** Whether a group has yet to read or to acknowledge an event. */
  readonly unacknowledged: Readonly<Record<Sink, (entry: Entry, index: number) => boolean>>
}

/** Reads it all, from the servers themselves and past every proxy. */
export async function collect(fleet: Fleet, redis: RedisClient): Promise<Evidence> {
  const stores = openStores(
    { MONGODB_STATE_DATABASE: DATABASES.state, MONGODB_EVENTS_DATABASE: DATABASES.events },
    { postgres: fleet.postgres.url, mongo: fleet.mongo.url },
  )
  try {
    const unacknowledged = await Promise.all(SINKS.map((sink) => readUnacknowledged(sink, redis, PARTITIONS)))
    return {
      letters: await readLetters(redis),
      records: await readRecords(redis),
      stores: {
        postgres: await readPostgres(fleet.postgres.url, stores),
        mongo: await readMongo(fleet.mongo.url, stores),
      },
      unacknowledged: Object.fromEntries(
        SINKS.map((sink, i) => [sink, unacknowledged[i]]),
      ) as Evidence['unacknowledged'],
    }
  } finally {
    await stores.close()
  }
}

async function readLetters(redis: RedisClient): Promise<KeptLetter[]> {
  const letters: KeptLetter[] = []
  for await (const { sink, entry, index, reason } of browse(redis, PARTITIONS, {})) {
    letters.push({ sink, entry, index, reason })
  }
  return letters
}

async function readRecords(redis: RedisClient): Promise<KeptRecord[]> {
  const records: KeptRecord[] = []
  for (const { feed } of PARTITIONS) {
    for (let from = '-'; ; ) {
      const page = await redis.xrange(feed, from, '+', 'COUNT', 1_000)
      for (const [, fields] of page) {
        const of = (name: string) => fields[fields.indexOf(name) + 1] ?? ''
        records.push({ key: of('key'), entry: of('entry'), value: of('value') })
      }
      if (page.length < 1_000) break
      from = `(${page.at(-1)?.[0]}`
    }
  }
  return records
}

async function readPostgres(url: string, { all }: Stores): Promise<Map<Entity, Holding>> {
  const store = all.find(({ name }) => name === 'postgres')
  const client = new pg.Client({ connectionString: url })
  const holdings = new Map<Entity, Holding>()
  await client.connect()
  try {
    for (const entity of ENTITIES) {
      if (!entity.postgres || !store) continue
      const { table } = entity.postgres
      const { rows: keys } = await client.query<{ id: string }>(`SELECT id FROM tributary.${table}`)
      const { rows: counted } = await client.query(`SELECT count(*)::int AS visible FROM public.${table}`)
      const states = await store.read(
        entity,
        keys.map(({ id }) => id),
      )
      holdings.set(entity, { states, visible: (counted as { visible: number }[])[0]?.visible ?? 0 })
    }
  } finally {
    await client.end()
  }
  return holdings
}

async function readMongo(url: string, { all }: Stores): Promise<Map<Entity, Holding>> {
  const store = all.find(({ name }) => name === 'mongo')
  const client = new MongoClient(url)
  const holdings = new Map<Entity, Holding>()
  try {
    for (const entity of ENTITIES) {
      const { collection, view, database } = entity.mongo
      const db = client.db(DATABASES[database])
      const ids = await db
        .collection<{ _id: string }>(collection)
        .find({}, { projection: { _id: 1 } })
        .toArray()
      const visible = await db
        .collection(view ?? collection)
        .find({}, { projection: { _id: 1 } })
        .toArray()
      const keys = ids.map(({ _id }) => _id)
      const states = store ? await store.read(entity, keys) : new Map()
      holdings.set(entity, { states, visible: visible.length })
    }
  } finally {
    await client.close()
  }
  return holdings
}
