import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { MigrationError, Umzug } from 'umzug'
import type { Asker } from '../catalog.js'
import type { Connection } from '../connection.js'
import { SchemaError } from '../errors.js'
import { inTurn, reading } from './turn.js'

/** The same relative path leads there from the sources and from the built files. */
const SHIPPED = fileURLToPath(new URL('../../../../migrations/postgres', import.meta.url))

/** Records applied migrations; it must be there before the first of them. */
const RECORD = `
  CREATE TABLE tributary.schema_versions (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`

/**
 * The files of migrations that the database lacks, in order.
 * @param directory folder of the files, `<number>_<what>.sql`
 */
export async function missingMigrations(asker: Asker, directory = SHIPPED): Promise<string[]> {
  const applied = new Set((await present(asker)).record ? await appliedVersions(asker) : [])
  return (await migrationFiles(directory)).filter((file) => !applied.has(versionOf(file)))
}

/** Reads the tables of the catalog: what to_regclass remembers may be from before a wait for an advisory lock. */
async function present(asker: Asker): Promise<{ schema: boolean; record: boolean }> {
  const [found] = await asker.any<{ schema: boolean; record: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'tributary') AS schema,
      EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = 'tributary' AND relname = 'schema_versions') AS record`,
  )
  return found ?? { schema: false, record: false }
}

/**
 * Applies the migrations that the database lacks, each with its record in one transaction. Where it lacks none, this
 * only reads.
 * @param report called with a line for each file that was applied
 * @throws SchemaError that names the file that failed; it is rolled back, and the ones before it stay
 */
export async function applyMigrations(
  connection: Connection,
  report: (line: string) => void,
  directory = SHIPPED,
): Promise<void> {
  if ((await reading(connection, () => missingMigrations(connection, directory))).length === 0) return
  await inTurn(connection, report, async () => {
    const { schema, record } = await present(connection)
    // Even with IF NOT EXISTS, Postgres demands the privilege to create a schema.
    if (!schema) await connection.none('CREATE SCHEMA tributary')
    if (!record) await connection.none(RECORD)
  })
  const files = await migrationFiles(directory)
  const umzug = new Umzug({
    logger: undefined,
    context: connection,
    migrations: files.map((file) => ({
      name: file,
      up: async () => {
        const sql = await readFile(`${directory}/${file}`, 'utf8')
        const version = versionOf(file)
        const applied = await inTurn(connection, report, async () => {
          if ((await appliedVersions(connection)).includes(version)) return false
          await connection.multi(sql)
          const record = 'INSERT INTO tributary.schema_versions (version, name) VALUES ($1, $2)'
          await connection.none(record, [version, file])
          return true
        })
        if (applied) report(`Postgres: applied ${file}`)
      },
    })),
    storage: {
      executed: async () => {
        const applied = new Set(await appliedVersions(connection))
        return files.filter((file) => applied.has(versionOf(file)))
      },
      // The transaction above records it: a crash after the transaction could lose a separate record.
      logMigration: async () => {},
      unlogMigration: async () => {},
    },
  })
  try {
    await umzug.up()
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error
    throw failureOf(error.migration.name, error.cause)
  }
}

/** An error of the server is final for a migration; a lost connection is not. */
function failureOf(file: string, cause: unknown): unknown {
  if (!(cause instanceof pg.DatabaseError)) return cause
  const { message, position, detail = '', hint = '' } = cause
  const where = position === undefined ? '' : ` at character ${position}`
  const reason = [message + where, detail, hint].filter((part) => part !== '').join('; ')
  const remedy = 'it is rolled back: remove the cause, and run `tributary migrate` again'
  return new SchemaError(`the migration ${file} failed: ${reason}; ${remedy}`, { cause })
}

async function appliedVersions(asker: Asker): Promise<number[]> {
  const rows = await asker.any<{ version: number }>('SELECT version FROM tributary.schema_versions')
  return rows.map(({ version }) => version)
}

async function migrationFiles(directory: string): Promise<string[]> {
  const files = (await readdir(directory)).filter((file) => /^\d+_.*\.sql$/.test(file))
  return files.sort((a, b) => versionOf(a) - versionOf(b))
}

function versionOf(file: string): number {
  return Number.parseInt(file, 10)
}
