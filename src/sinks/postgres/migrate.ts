import type { Entity } from '../../../schemas/contract.js'
import { adoptColumns } from './adopt.js'
import { storedEntities } from './catalog.js'
import { openDatabase, withConnection } from './connection.js'
import { applyMigrations } from './migrations.js'
import { remakeView } from './view.js'

/** What {@link migratePostgres} needs to know. */
export interface MigrateOptions {
  readonly url: string
  readonly entities: readonly Entity[]
  /** Ends it; what is not committed is rolled back. */
  readonly signal: AbortSignal
  /** Is told, in a line, each thing that was done. */
  readonly report: (line: string) => void
  /** Folder of the migrations. Default: `migrations/postgres`. */
  readonly directory?: string
}

/** Held by the one that migrates, as long as it takes. */
const MIGRATE_LOCK = "hashtextextended('tributary.migrate', 0)"

/**
 * Brings Postgres to where this version needs it: applies the migrations that are missing, takes columns that
 * the tables' owner has added or dropped into use, and makes the readers' views of them. Workers may go on
 * meanwhile, and several may migrate at once: they take turns. There is no way back but a further migration.
 * @throws SchemaError names the migration, the column or the view that a person has to see to · TransientError
 * where Postgres cannot do it now · the signal's reason, once it is aborted
 */
export async function migratePostgres(options: MigrateOptions): Promise<void> {
  const { url, entities, signal, report, directory } = options
  const database = openDatabase({ url, poolSize: 1, statementTimeoutMs: 0 })
  try {
    await withConnection(database, 'migrate', signal, async (connection) => {
      await connection.none('SET statement_timeout = 0')
      const lock = await connection.one<{ taken: boolean }>(
        `SELECT pg_try_advisory_lock(${MIGRATE_LOCK}) AS taken`,
      )
      if (!lock.taken) {
        report('Postgres: someone else is migrating; waiting for the end of that')
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
