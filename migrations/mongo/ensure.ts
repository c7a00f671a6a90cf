import type { CollectionInfo, CreateCollectionOptions, Db } from 'mongodb'

/**
 * Makes a collection or view where there is none of the name.
 * @throws Error where the name is taken by something else
 */
export async function ensureCollection(
  db: Db,
  name: string,
  options: CreateCollectionOptions = {},
): Promise<void> {
  const [found] = await db.listCollections<CollectionInfo>({ name }).toArray()
  if (found === undefined) await db.createCollection(name, options)
  else if (found.options?.viewOn !== options.viewOn) {
    const what = `${db.databaseName}.${name} is there already, and not as this needs it`
    throw new Error(`${what}; rename it, or choose another database`)
  }
}

/**
 * Makes the collection `state.<name>`, an index of its tombstones, and the view `<name>` of its living documents
 * without bookkeeping.
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
