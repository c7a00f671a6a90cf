import type { Entity } from '../../../../schemas/contract.js'
import { storedEntities } from '../catalog.js'
import { openDatabase, withConnection } from '../connection.js'
import { checkServerVersion } from '../server-version.js'
import { adoptColumns } from './adopt.js'
import { dropViews } from './drop-views.js'
import { applyMigrations, missingMigrations } from './migrations.js'
import { reading } from './turn.js'
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
  /** Drops the readers' views instead of making them, and adopts no columns: their types can be altered then. */
  readonly dropViews?: boolean
  /** Only reads, and reports what would be done. */
  readonly dryRun?: boolean
}

/**
 * Brings Postgres to the schema that this version needs: applies missing migrations, adopts columns that the tables'
 * owner has added or dropped, and makes the readers' views. Workers may run meanwhile. Several processes may migrate
 * at once: they take turns. Where nothing is to be done it only reads. Only a further migration can undo one.
 * @throws SchemaError that names the migration, column or view that a person has to correct · TransientError where
 * Postgres cannot do it now · the signal's reason, once it is aborted
 */
export async function migratePostgres(options: MigrateOptions): Promise<void> {
  const { url, signal, report, directory, dryRun = false } = options
  const entities = storedEntities(options.entities)
  const database = openDatabase({ url, poolSize: 1, queryTimeoutMs: 0 })
  try {
    await withConnection(database, 'migrate', signal, async (connection) => {
      await checkServerVersion(connection)
      if (dryRun) {
        const missing = await reading(connection, () => missingMigrations(connection, directory))
        for (const file of missing) report(`Postgres: would apply ${file}`)
        if (missing.length > 0) return report('Postgres: columns and views are looked at after that')
      }
      await applyMigrations(connection, report, directory)
      const step = { report, dryRun }
      if (options.dropViews) {
        const tables = entities.map(({ postgres }) => postgres.table)
        return await dropViews(connection, tables, step)
      }
      for (const entity of entities) {
        await adoptColumns(connection, entity, step)
        await remakeView(connection, entity.postgres.table, step)
      }
    })
  } finally {
    await database.$pool.end()
  }
}
