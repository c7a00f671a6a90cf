import type { Db } from 'mongodb'
import * as state from './0001_state.js'
import * as events from './0002_events.js'
import * as schemaVersions from './0003_schema_versions.js'

/** One migration. It runs in no transaction, so it must be safe to apply again after a crash. */
export interface MongoMigration {
  /** Name of the file, without its extension. */
  readonly name: string
  up(databases: { readonly state: Db; readonly events: Db }): Promise<void>
}

/** All migrations, in order. A released migration is never changed; a new one follows it. */
export const MIGRATIONS: readonly MongoMigration[] = [
  { name: '0001_state', ...state },
  { name: '0002_events', ...events },
  { name: '0003_schema_versions', ...schemaVersions },
]
