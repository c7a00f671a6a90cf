import { type AnyBulkWriteOperation, ObjectId } from 'mongodb'
import { databasesOf, mongoClient } from '../../src/sinks/mongo/connect.js'
import { fromDocument, type StateDocument, type Stored, toDocument } from '../../src/sinks/mongo/document.js'
import type { Change } from '../../src/sinks/sink.js'
import { includes, join } from '../../src/state/state.js'
import { DATABASES } from '../support/fixture.js'
import { batchesOf } from './batches.js'
import type { Backlog } from './workload.js'

/**
 * The ceiling of the MongoDB worker: the driver's own unordered bulkWrite of the very same operations, batch by batch.
 * The operations are made before the clock starts. It reads nothing, and no other process may write meanwhile.
 * @returns events a second; `undefined` where there is nothing to write
 */
export async function runDriver(url: string, backlog: Backlog): Promise<number | undefined> {
  const client = mongoClient(url)
  try {
    const { state } = databasesOf(client, DATABASES)
    const collection = state.collection<StateDocument>('state.contacts')
    const known = new Map<string, Stored>()
    const batches = [...batchesOf('mongo', backlog)]
    const [entity] = batches.flatMap((batch) => batch[0]?.entity ?? [])
    if (!entity) throw new Error('the backlog is empty')
    for await (const document of collection.find()) known.set(document._id, fromDocument(entity, document))
    const writes = batches.map((batch) => batch.flatMap((change) => operationOf(change, known) ?? []))
    if (writes.flat().length === 0) return undefined
    const begun = performance.now()
    for (const operations of writes) await collection.bulkWrite(operations, { ordered: false })
    return backlog.count / ((performance.now() - begun) / 1_000)
  } finally {
    await client.close()
  }
}

function operationOf(
  { entity, key, state }: Change,
  known: Map<string, Stored>,
): AnyBulkWriteOperation<StateDocument> | undefined {
  const stored = known.get(key)
  if (stored && includes(stored.state, state)) return undefined
  const revision = new ObjectId()
  const joined = stored ? join(stored.state, state) : state
  const document = toDocument(entity, key, joined, revision, new Date())
  known.set(key, { state: joined, revision })
  if (!stored) return { insertOne: { document } }
  return {
    replaceOne: { filter: { _id: key, '_tributary.revision': stored.revision }, replacement: document },
  }
}
