import { MongoServerError } from 'mongodb'
import { MigrationError, Umzug, type UmzugStorage } from 'umzug'
import { MIGRATIONS, type MongoMigration } from '../../../migrations/mongo/index.js'
import type { Entity } from '../../../schemas/contract.js'
import { TransientError } from '../../errors.js'
import { appliedMigrations, bookkeepingOf, checkCollections } from './applied.js'
import { type DatabaseNames, type Databases, databasesOf, mongoClient } from './connect.js'
import { outcomeOf } from './errors.js'
import { withMigrationLock } from './migration-lock.js'

/** What {@link migrateMongo} needs. */
export interface MigrateMongoOptions {
  readonly url: string
  readonly databases: DatabaseNames
  /** Entities that must have their collections and views afterwards. */
  readonly entities: readonly Entity[]
  /** Called with a line for each step that is done. */
  readonly report: (line: string) => void
  /** Stops the run between two migrations. */
  readonly signal: AbortSignal
  /** Default: those in `migrations/mongo`. */
  readonly migrations?: readonly MongoMigration[]
}

/**
 * Applies the missing migrations, in order, under a lock: any number of processes may call it at the same time.
 * @throws TransientError where MongoDB does not answer · Error that names the migration that failed; those
 * before it stay applied · the signal's reason, once it is aborted
 */
export async function migrateMongo(options: MigrateMongoOptions): Promise<void> {
  const { url, databases: names, entities, report, signal, migrations = MIGRATIONS } = options
  // No socket timeout: an index on a large collection takes long.
  const client = mongoClient(url, 0)
  try {
    await client.connect()
    const databases = databasesOf(client, names)
    await withMigrationLock(bookkeepingOf(databases.state), { report, signal }, (held) =>
      applyMissing(databases, migrations, report, held),
    )
    await checkCollections(databases, entities)
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof MigrationError ? failed(error) : outcomeOf(error, 'be migrated')
  } finally {
    await client.close()
  }
}

async function applyMissing(
  databases: Databases,
  migrations: readonly MongoMigration[],
  report: (line: string) => void,
  held: AbortSignal,
): Promise<void> {
  const umzug = new Umzug({
    migrations: migrations.map(({ name, up }) => ({ name, up: () => up(databases) })),
    context: databases,
    storage: storageIn(databases),
    logger: undefined,
  })
  umzug.on('migrating', () => held.throwIfAborted())
  umzug.on('migrated', ({ name }) => report(`MongoDB: applied ${name}`))
  const applied = await umzug.up()
  if (applied.length === 0) report('MongoDB: nothing to migrate')
}

function storageIn({ state }: Databases): UmzugStorage {
  return {
    executed: () => appliedMigrations(state),
    async logMigration({ name }) {
      await bookkeepingOf(state).updateOne(
        { _id: name },
        { $set: { appliedAt: new Date() } },
        { upsert: true },
      )
    },
    async unlogMigration() {
      throw new Error('migrations go forward only')
    },
  }
}

function failed(error: MigrationError): Error {
  const { name } = error.migration
  // The server itself refused the migration, and would refuse it again: no retry.
  const answered = error.cause instanceof MongoServerError
  const cause = answered ? error.cause : outcomeOf(error.cause, `apply migration ${name}`)
  if (cause instanceof TransientError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  const remedy = 'what came before it stays applied; remove the cause and run tributary migrate again'
  return new Error(`MongoDB migration ${name} failed: ${reason}; ${remedy}`, { cause })
}
