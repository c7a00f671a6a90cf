import type { Entity } from '../../../schemas/contract.js'
import { adoptColumns } from './adopt.js'
import { storedEntities } from './catalog.js'
import { openDatabase, withConnection } from './connection.js'
import { applyMigrations } from './migrations.js'
import { remakeView } from './view.js'

/** What {@link migratePostgres} needs. */
export interface MigrateOptions {
  readonly url: string
  readonly entities: readonly Entity[]
  /** Stops the run; what is not committed is rolled back. */
  readonly signal: AbortSignal
  /** Called with a line for each step that was done. */
  readonly report: (line: string) => void
  /** Folder of the migrations; default: `migrations/postgres`. */
  readonly directory?: string
}

/** The process that migrates holds this lock from start to end. */
const MIGRATE_LOCK = "hashtextextended('tributary.migrate', 0)"

/**
 * Brings Postgres to the schema that this version needs: applies missing migrations, adopts columns that the tables'
 * owner has added or dropped, and makes the readers' views. Workers may run meanwhile. Several processes may migrate
 * at once: they take turns. Only a further migration can undo one.
 * @throws SchemaError that names the migration, column or view that a person has to correct · TransientError where
 * Postgres cannot do it now · the signal's reason, once it is aborted
 */
export async function migratePostgres(options: MigrateOptions): Promise<void> {
  const { url, entities, signal, report, directory } = options
  const database = openDatabase({ url, poolSize: 1, queryTimeoutMs: 0 })
  try {
    await withConnection(database, 'migrate', signal, async (connection) => {
      await connection.none('SET statement_timeout = 0')
      const lock = await connection.one<{ taken: boolean }>(
        `SELECT pg_try_advisory_lock(${MIGRATE_LOCK}) AS taken`,
      )
      if (!lock.taken) {
        report('Postgres: waiting for another process that is migrating')
        await connection.one(`SELECT pg_advisory_lock(${MIGRATE_LOCK})`)
      }
      await applyMigrations(connection, report, directory)
      for (const entity of storedEntities(entities)) {
        await adoptColumns(connection, entity, report)
        await remakeView(connection, entity.postgres.table, report)
      }
    })
  } finally {
    await database.$pool.end()
  }
}
