import { type Db, type DbOptions, MongoClient, ReadConcern } from 'mongodb'

/** Names of the two databases. */
export interface DatabaseNames {
  /** What is known of entities, and the migrations' bookkeeping. */
  readonly state: string
  /** Events kept as documents. */
  readonly events: string
}

/** The two databases themselves. */
export interface Databases {
  readonly state: Db
  readonly events: Db
}

/** No operation takes the server longer than this, in milliseconds; the network gets a little on top. */
export const OPERATION_MS = 30_000

/**
 * A client that has not connected yet. Close it in any case.
 * @param socketTimeoutMs how long a connection may stay silent; 0 for ever
 * @throws Error where the URL is none
 */
export function mongoClient(url: string, socketTimeoutMs = OPERATION_MS + 5_000): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'tributary',
      // Amazon DocumentDB has no retryable writes; ours may all be repeated anyway.
      retryWrites: false,
      maxPoolSize: 10,
      serverSelectionTimeoutMS: 5_000,
      connectTimeoutMS: 5_000,
      waitQueueTimeoutMS: OPERATION_MS,
      socketTimeoutMS: socketTimeoutMs,
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const example = 'mongodb://user:password@host:27017/?tls=true'
    throw new Error(`the MongoDB URL cannot be read: ${reason}; write it as ${example}`)
  }
}

/** All that durability rests on. Said of the databases and not of the client, where a URL could weaken it. */
const DURABLE: DbOptions = {
  writeConcern: { w: 'majority', journal: true, wtimeoutMS: OPERATION_MS },
  // What is read decides that nothing need be written, so it must not be what a failover may take back.
  readConcern: new ReadConcern('majority'),
  readPreference: 'primary',
}

/** The databases by the names that the contracts use. */
export function databasesOf(client: MongoClient, names: DatabaseNames): Databases {
  return { state: client.db(names.state, DURABLE), events: client.db(names.events, DURABLE) }
}
