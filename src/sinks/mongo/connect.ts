import { type Db, type DbOptions, MongoClient, ReadConcern } from 'mongodb'

/** Names of the two databases. */
export interface DatabaseNames {
  /** States of entities, and the migrations' bookkeeping. */
  readonly state: string
  /** Events kept as documents. */
  readonly events: string
}

/** The two databases. */
export interface Databases {
  readonly state: Db
  readonly events: Db
}

/** Longest time the server may spend on an operation, in milliseconds; the network gets a little more. */
export const OPERATION_MS = 30_000

/**
 * A client that has not connected yet. The caller must close it in any case.
 * @param socketTimeoutMs how long a connection may stay silent; 0 for no limit
 * @throws Error where the URL cannot be read
 */
export function mongoClient(url: string, socketTimeoutMs = OPERATION_MS + 5_000): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'tributary',
      // Amazon DocumentDB has no retryable writes. Our own retry covers them: all our writes may be repeated.
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

/** All settings that durability needs. Set on the databases, because the URL could weaken those of the client. */
const DURABLE: DbOptions = {
  writeConcern: { w: 'majority', journal: true, wtimeoutMS: OPERATION_MS },
  // A read may decide that no write is needed, so a failover must not roll back what was read.
  readConcern: new ReadConcern('majority'),
  readPreference: 'primary',
}

/** Opens the two databases with durable settings. */
export function databasesOf(client: MongoClient, names: DatabaseNames): Databases {
  return { state: client.db(names.state, DURABLE), events: client.db(names.events, DURABLE) }
}
