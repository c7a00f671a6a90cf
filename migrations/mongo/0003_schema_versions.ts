import type { Db } from 'mongodb'
import { ensureCollection } from './ensure.js'

/** The fields that data-action events have had, a document for each version of them. */
export async function up({ events }: { readonly events: Db }): Promise<void> {
  await ensureCollection(events, 'schema_versions')
}
