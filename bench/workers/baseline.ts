import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import pg from 'pg'

/**
 * Workers as a good team would write them without knowing better: read from the group, write, acknowledge. None of
 * them survives a bad row, a column that is new, or events of one contact that overtake each other in a batch.
 * Arguments: URL of Redis, stream, group, URL of the store, manner.
 */
const [, , redisUrl = '', stream = '', group = '', storeUrl = '', manner = ''] = process.argv
const BATCH = 500

interface Event {
  readonly eventType: string
  readonly timestamp: string
  readonly eventData: Readonly<Record<string, string>>
}

const COLUMNS = [
  'id',
  'external_id',
  'first_name',
  'last_name',
  'email',
  'phone',
  'status',
  'extra',
  'updated_at',
]
const ON_CONFLICT = `ON CONFLICT (id) DO UPDATE SET ${COLUMNS.slice(1)
  .map((name) => `${name} = coalesce(excluded.${name}, t.${name})`)
  .join(', ')} WHERE excluded.updated_at > t.updated_at`

function rowOf({ timestamp, eventData }: Event): (string | undefined)[] {
  const { id, externalId, firstName, lastName, email, phone, status, ...extra } = eventData
  const more = Object.keys(extra).length > 0 ? JSON.stringify(extra) : undefined
  return [id, externalId, firstName, lastName, email, phone, status, more, timestamp]
}

function insert(rows: number): string {
  const tuples = Array.from({ length: rows }, (_, row) => {
    return `(${COLUMNS.map((_name, column) => `$${row * COLUMNS.length + column + 1}`).join(', ')})`
  })
  return `INSERT INTO bench.contacts AS t (${COLUMNS.join(', ')}) VALUES ${tuples.join(', ')} ${ON_CONFLICT}`
}

type Write = (events: readonly Event[]) => Promise<void>

async function openPostgres(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: storeUrl })
  await client.connect()
  return client
}

/** A statement an event. @param together whether a batch is one transaction */
async function rowByRow(together: boolean): Promise<Write> {
  const client = await openPostgres()
  const query = { name: 'row', text: insert(1) }
  return async (events) => {
    if (together) await client.query('BEGIN')
    for (const event of events) await client.query({ ...query, values: rowOf(event) })
    if (together) await client.query('COMMIT')
  }
}

/** One statement a batch. Of the same contact only the last counts, as no statement may write a row twice. */
async function multiRow(): Promise<Write> {
  const client = await openPostgres()
  return async (events) => {
    const rows = [...new Map(events.map((event) => [event.eventData.id, rowOf(event)])).values()]
    await client.query(insert(rows.length), rows.flat())
  }
}

async function updateOne(): Promise<Write> {
  const client = new MongoClient(storeUrl, { writeConcern: { w: 'majority', journal: true } })
  await client.connect()
  const collection = client.db('bench').collection<{ _id: string }>('contacts')
  return async (events) => {
    for (const { eventData, timestamp } of events) {
      const { id = '', ...fields } = eventData
      await collection.updateOne({ _id: id }, { $set: { ...fields, updatedAt: timestamp } }, { upsert: true })
    }
  }
}

const MANNERS: Readonly<Record<string, () => Promise<Write>>> = {
  row: () => rowByRow(false),
  transaction: () => rowByRow(true),
  values: multiRow,
  'update-one': updateOne,
}

const write = await MANNERS[manner]?.()
if (!write) throw new Error(`there is no manner "${manner}"`)
const redis = new Redis(redisUrl)
await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
process.send?.('ready')
for (;;) {
  const read = ['GROUP', group, 'baseline', 'COUNT', BATCH, 'BLOCK', 1_000, 'STREAMS', stream, '>'] as const
  const reply = (await redis.xreadgroup(...read)) as [string, [string, string[]][]][] | null
  const entries = reply?.[0]?.[1] ?? []
  if (entries.length === 0) continue
  await write(entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as Event))
  await redis.xack(stream, group, ...entries.map(([id]) => id))
}
