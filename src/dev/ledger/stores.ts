import type { Config } from '../../config.js'
import { databasesOf, mongoClient } from '../../sinks/mongo/connect.js'
import { readStates } from '../../sinks/mongo/read.js'
import { openPostgresStates } from '../../sinks/postgres/read.js'
import type { Store } from './witness.js'

/** The stores that a ledger reads. */
export interface Stores {
  readonly all: readonly Store[]
  close(): Promise<void>
}

/** Opens the stores for reading; each connects at its first read. */
export function openStores(
  config: Pick<Config, 'MONGODB_STATE_DATABASE' | 'MONGODB_EVENTS_DATABASE'>,
  urls: { readonly postgres: string; readonly mongo: string | undefined },
): Stores {
  const rows = openPostgresStates(urls.postgres)
  if (urls.mongo === undefined) return { all: [rows], close: () => rows.close() }
  const client = mongoClient(urls.mongo)
  const databases = databasesOf(client, {
    state: config.MONGODB_STATE_DATABASE,
    events: config.MONGODB_EVENTS_DATABASE,
  })
  const documents: Store = {
    name: 'mongo',
    read: (entity, keys) => readStates(databases[entity.mongo.database], entity, keys),
  }
  return {
    all: [rows, documents],
    close: async () => {
      await Promise.all([rows.close(), client.close()])
    },
  }
}
