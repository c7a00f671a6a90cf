import type { Collection, MongoClient } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import { unlessAborted } from '../../abort.js'
import { BatchError, type RejectedError } from '../../errors.js'
import type { Report } from '../../telemetry/command.js'
import { compareStates } from '../comparison.js'
import type { Change, Sink } from '../sink.js'
import { checkCollections, checkMigrated } from './applied.js'
import { type DatabaseNames, type Databases, databasesOf, mongoClient, OPERATION_MS } from './connect.js'
import type { StateDocument } from './document.js'
import { outcomeOf } from './errors.js'
import { KeyedMutex } from './keyed-mutex.js'
import { type Pool, watchPool } from './pool.js'
import { readStates } from './read.js'
import { type FieldRegistry, openRegistries } from './registry.js'
import { checkStorable } from './storable.js'
import { writeChanges } from './write.js'

/** Where the documents go. */
export interface MongoSinkOptions {
  readonly url: string
  readonly databases: DatabaseNames
  /** Entities that will be written: each needs a collection, which a migration makes. */
  readonly entities: readonly Entity[]
  /** Called with a line for people. */
  readonly report: (line: string) => void
}

/** The sink, with the figures of its connection pool. */
export interface MongoStore extends Sink {
  pool(): Pool
}

/**
 * Connects, checks that the migrations have been applied, and reads the registries of fields.
 * @throws TransientError where MongoDB does not answer · Error that names the missing migration or collection
 */
export async function createMongoSink(options: MongoSinkOptions): Promise<MongoStore> {
  const { url, databases, entities, report } = options
  const client = mongoClient(url)
  const pool = watchPool(client)
  try {
    await client.connect()
    const found = databasesOf(client, databases)
    await checkMigrated(found.state)
    await checkCollections(found, entities)
    const registries = await openRegistries(entities, ({ mongo }) => found[mongo.database], report)
    return new MongoSink(client, found, registries, pool)
  } catch (error) {
    await client.close()
    throw outcomeOf(error, 'be opened')
  }
}

/** Shortest limit for an operation, in ms: it includes the wait for a majority of the replica set. */
const LEAST_MS = 2_000

class MongoSink implements MongoStore {
  readonly name = 'mongo'
  readonly #mutex = new KeyedMutex()
  readonly comparison = compareStates(
    false,
    ({ mongo }) => `${this.databases[mongo.database].databaseName}.${mongo.collection}`,
    (entity, keys, signal) =>
      unlessAborted(readStates(this.databases[entity.mongo.database], entity, keys), signal),
  )

  constructor(
    readonly client: MongoClient,
    readonly databases: Databases,
    readonly registries: ReadonlyMap<Entity, FieldRegistry>,
    readonly pool: () => Pool,
  ) {}

  async write(
    changes: readonly Change[],
    signal: AbortSignal,
    report?: Report,
    limitMs = OPERATION_MS,
  ): Promise<void> {
    signal.throwIfAborted()
    // The driver cannot abort a bulk write, and needs many listeners for what it can abort. So an aborted write goes
    // on by itself, which does no harm: it would be repeated anyway.
    const keys = new Set(changes.map(({ entity, key }) => `${entity.name} ${key}`))
    const writing = this.#mutex.take(keys, () => this.#write(changes, signal, limitMs, report))
    await unlessAborted(writing, signal)
  }

  async #write(
    changes: readonly Change[],
    signal: AbortSignal,
    limitMs: number,
    report?: Report,
  ): Promise<void> {
    const rejected = new Map<Change, RejectedError>()
    const byEntity = new Map<Entity, Change[]>()
    for (const change of changes) {
      const flaw = checkStorable(change)
      const others = byEntity.get(change.entity)
      if (flaw !== undefined) rejected.set(change, flaw)
      else if (others !== undefined) others.push(change)
      else byEntity.set(change.entity, [change])
    }
    const writing = Array.from(byEntity, ([entity, some]) => {
      const [collection, registry] = [this.#collection(entity), this.registries.get(entity)]
      const limits = { signal, limitMs: Math.max(limitMs, LEAST_MS) }
      return writeChanges({ collection, entity, registry, ...limits, rejected, report }, some)
    })
    const outcomes = await Promise.allSettled(writing)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    if (rejected.size > 0) throw new BatchError(rejected)
  }

  #collection({ mongo }: Entity): Collection<StateDocument> {
    return this.databases[mongo.database].collection<StateDocument>(mongo.collection)
  }

  async ping(signal: AbortSignal): Promise<void> {
    try {
      await this.databases.state.command({ ping: 1 }, { signal })
    } catch (error) {
      signal.throwIfAborted()
      throw outcomeOf(error, 'be pinged')
    }
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}
