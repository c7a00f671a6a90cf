import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { cdc } from '../../schemas/cdc.js'
import { post } from './edge.js'
import type { InProcess } from './in-process.js'

/** Honest events that are posted beside others, and how long each took to be in both stores. */
export interface Bystanders {
  /** Posts no more, and waits until all are there. @returns the longest time that one took, in ms */
  end(): Promise<number>
}

/** One honest event in this time, in ms. */
const EVERY_MS = 100

/** Posts honest events, each of a key of its own, until it is ended. */
export async function startBystanders({ edge, database, mongo }: InProcess): Promise<Bystanders> {
  const client = new pg.Client({ connectionString: database.postgresUrl })
  await client.connect()
  const collection = mongo.client.db(mongo.databases.state).collection<{ _id: string }>('contacts')
  const agent = new Agent({ keepAlive: true })
  const stop = new AbortController()
  /** When each was acknowledged, by its key, until both stores have it. */
  const open = new Map<string, number>()
  let longest = 0

  const posting = async () => {
    while (!stop.signal.aborted) {
      const key = `honest-${randomUUID()}`
      const body = {
        webhookId: 'w',
        eventType: 'contact.created',
        timestamp: new Date().toISOString(),
        eventData: { id: key, firstName: 'Honest', rank: 1 },
      }
      const { status } = await post(edge.edge, cdc, JSON.stringify(body), { agent })
      if (status === 202) open.set(key, performance.now())
      await sleep(EVERY_MS)
    }
  }
  const watching = async () => {
    while (!stop.signal.aborted || open.size > 0) {
      const keys = [...open.keys()]
      const [rows, documents] = await Promise.all([
        client.query<{ id: string }>('SELECT id FROM tributary.contacts WHERE id = ANY ($1)', [keys]),
        collection.find({ _id: { $in: keys } }, { projection: { _id: 1 } }).toArray(),
      ])
      const stored = new Set(documents.map(({ _id }) => _id))
      for (const since of open.values()) longest = Math.max(longest, performance.now() - since)
      for (const { id } of rows.rows) if (stored.has(id)) open.delete(id)
      await sleep(EVERY_MS)
    }
  }
  const working = Promise.all([posting(), watching()])
  return {
    end: async () => {
      stop.abort()
      await working
      agent.destroy()
      await client.end()
      return longest
    },
  }
}
