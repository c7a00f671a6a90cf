import { MongoClient } from 'mongodb'
import { inject } from 'vitest'
import { ENTITIES } from '../../schemas/index.js'
import type { DatabaseNames } from '../../src/sinks/mongo/connect.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { freshName } from './fresh.js'

/** Two MongoDB databases of a test's own, and a client to look into them. */
export interface FreshMongo {
  readonly url: string
  readonly databases: DatabaseNames
  readonly client: MongoClient
  /** Adds a line to those in {@link reported}. */
  readonly report: (line: string) => void
  readonly reported: string[]
  /** Removes the databases and closes the client. */
  drop(): Promise<void>
}

/** Names of databases that are not there yet. @param url default: the MongoDB of this run */
export function emptyMongo(url = inject('services').mongoUrl): FreshMongo {
  const databases = { state: freshName('state'), events: freshName('events') }
  const client = new MongoClient(url)
  const drop = async () => {
    await client.db(databases.state).dropDatabase()
    await client.db(databases.events).dropDatabase()
    await client.close()
  }
  const reported: string[] = []
  const report = (line: string) => void reported.push(line)
  return { url, databases, client, report, reported, drop }
}

/** As {@link emptyMongo}, migrated. */
export async function freshMongo(url?: string): Promise<FreshMongo> {
  const fresh = emptyMongo(url)
  const signal = new AbortController().signal
  await migrateMongo({ ...fresh, entities: ENTITIES, report: () => {}, signal })
  return fresh
}
