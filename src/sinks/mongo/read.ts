import type { Collection, Db } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import type { State } from '../../state/state.js'
import { OPERATION_MS } from './connect.js'
import { fromDocument, type StateDocument, type Stored } from './document.js'
import { outcomeOf } from './errors.js'

/** Keys of one query: some servers slow down with the square of it, and a command has its limits. */
const PAGE = 100

/**
 * What a database holds of some entities, tombstones included; unknown keys are left out.
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

/** As {@link readStates}, with what a write needs to know. Pages go side by side, so that it costs one round trip. */
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
    // One more than can come, so that the first answer is known to be the last.
    batchSize: keys.length + 1,
    maxTimeMS: OPERATION_MS,
    // The driver's default inherits, and an array in a field called `constructor` would come back as bytes.
    fieldsAsRaw: Object.create(null),
  }
  try {
    return await collection.find({ _id: { $in: keys } }, options).toArray()
  } catch (error) {
    throw outcomeOf(error, `read ${collection.namespace}`)
  }
}
