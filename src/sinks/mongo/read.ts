import type { Collection, Db } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import type { State } from '../../state/state.js'
import { OPERATION_MS } from './connect.js'
import { fromDocument, type StateDocument, type Stored } from './document.js'
import { outcomeOf } from './errors.js'

/** Keys in one query: on some servers the time grows with their square, and the size of a command is limited. */
const PAGE = 100

/**
 * Reads the stored states of some keys, tombstones included; unknown keys are left out.
 * @param db the entity's database
 * @throws TransientError where MongoDB cannot be asked now
 */
export async function readStates(
  db: Db,
  entity: Entity,
  keys: readonly string[],
): Promise<Map<string, State>> {
  const collection = db.collection<StateDocument>(entity.mongo.collection)
  const found = await readStored(collection, entity, keys)
  return new Map(Array.from(found, ([key, { state }]) => [key, state]))
}

/** As {@link readStates}, with the revisions that a write needs. Reads all pages at once: one round trip. */
export async function readStored(
  collection: Collection<StateDocument>,
  entity: Entity,
  keys: readonly string[],
): Promise<Map<string, Stored>> {
  const pages = Array.from({ length: Math.ceil(keys.length / PAGE) }, (_, at) =>
    readPage(collection, keys.slice(at * PAGE, (at + 1) * PAGE)),
  )
  const documents = (await Promise.all(pages)).flat()
  return new Map(documents.map((document) => [document._id, fromDocument(entity, document)]))
}

async function readPage(collection: Collection<StateDocument>, keys: string[]): Promise<StateDocument[]> {
  const options = {
    // One more than the most documents that can come, so that the first answer is also the last.
    batchSize: keys.length + 1,
    maxTimeMS: OPERATION_MS,
    // The driver's default object has a prototype, so an array in a field named `constructor` would be read as bytes.
    fieldsAsRaw: Object.create(null),
  }
  try {
    return await collection.find({ _id: { $in: keys } }, options).toArray()
  } catch (error) {
    throw outcomeOf(error, `read ${collection.namespace}`)
  }
}
