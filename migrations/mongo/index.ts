import type { Db } from 'mongodb'
import * as state from './0001_state.js'
import * as events from './0002_events.js'
import * as schemaVersions from './0003_schema_versions.js'

/** One step forward. There is no transaction around it: it must bear being applied again after a crash. */
export interface MongoMigration {
  /** As the file is called, without its extension. */
  readonly name: string
  up(databases: { readonly state: Db; readonly events: Db }): Promise<void>
}

/** All migrations, in order. What has been released is never changed, only followed. */
export const MIGRATIONS: readonly MongoMigration[] = [
  { name: '0001_state', ...state },
  { name: '0002_events', ...events },
  { name: '0003_schema_versions', ...schemaVersions },
]
