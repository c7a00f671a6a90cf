import type { CollectionInfo, CreateCollectionOptions, Db } from 'mongodb'

/**
 * Makes a collection or view, unless it exists.
 * @throws Error where something else has the name
 */
export async function ensureCollection(
  db: Db,
  name: string,
  options: CreateCollectionOptions = {},
): Promise<void> {
  const [found] = await db.listCollections<CollectionInfo>({ name }).toArray()
  if (found === undefined) await db.createCollection(name, options)
  else if (found.options?.viewOn !== options.viewOn) {
    const what = `${db.databaseName}.${name} exists already, and is not what this migration needs`
    throw new Error(`${what}; rename it, or choose another database`)
  }
}

/**
 * Makes the collection `state.<name>`, an index of its tombstones, and the view `<name>` of the documents that are not
 * deleted, without bookkeeping.
 */
export async function ensureStates(db: Db, name: string): Promise<void> {
  await ensureCollection(db, `state.${name}`)
  await db.collection(`state.${name}`).createIndex({ '_tributary.deletedAt': 1 }, { sparse: true })
  await ensureCollection(db, name, {
    viewOn: `state.${name}`,
    pipeline: [
      { $match: { '_tributary.deletedAt': null } },
      { $addFields: { id: '$_id' } },
      { $project: { _tributary: 0 } },
    ],
  })
}
