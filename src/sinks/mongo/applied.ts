import type { Collection, Db } from 'mongodb'
import { MIGRATIONS } from '../../../migrations/mongo/index.js'
import type { Entity } from '../../../schemas/contract.js'
import type { Databases } from './connect.js'

/** A document of the migrations' bookkeeping: one for each applied migration, and one for the lock. */
export interface MigrationDocument {
  /** A migration's name, or `lock`. */
  _id: string
  appliedAt?: Date
  /** Only in the lock: the process that holds it. */
  holder?: string
  /** Only in the lock: a counter that its holder keeps raising. */
  heartbeat?: number
}

/** The collection of the migrations' bookkeeping, in the state database. */
export function bookkeepingOf(state: Db): Collection<MigrationDocument> {
  return state.collection<MigrationDocument>('tributary.migrations')
}

/** Names of the migrations that have been applied to a database. */
export async function appliedMigrations(state: Db): Promise<string[]> {
  const documents = await bookkeepingOf(state)
    .find({ appliedAt: { $exists: true } })
    .toArray()
  return documents.map((document) => document._id)
}

/** Checks that all migrations have been applied. @throws Error that names the first missing migration */
export async function checkMigrated(state: Db): Promise<void> {
  const applied = new Set(await appliedMigrations(state))
  const missing = MIGRATIONS.find((migration) => !applied.has(migration.name))
  if (missing === undefined) return
  const what = `the MongoDB database ${state.databaseName} lacks migration ${missing.name}`
  throw new Error(`${what}: run tributary migrate`)
}

/**
 * Checks that every entity has its collections and views.
 * @throws Error that names the first missing one: a migration has to make it
 */
export async function checkCollections(databases: Databases, entities: readonly Entity[]): Promise<void> {
  for (const name of ['state', 'events'] as const) {
    const db = databases[name]
    const collections = await db.listCollections({}, { nameOnly: true }).toArray()
    const known = new Set(collections.map((collection) => collection.name))
    for (const { name: entity, mongo } of entities) {
      if (mongo.database !== name) continue
      const places = [mongo.collection, mongo.view, mongo.evolves?.registry]
      const missing = places.find((place) => place !== undefined && !known.has(place))
      if (missing === undefined) continue
      const what = `the MongoDB database ${db.databaseName} has no ${missing}, which ${entity} need`
      throw new Error(`${what}; add a migration that makes it to migrations/mongo and run tributary migrate`)
    }
  }
}
