import type { Db } from 'mongodb'
import { ensureCollection } from './ensure.js'

/** The registry of the fields that data-action events have had, one document for each version of it. */
export async function up({ events }: { readonly events: Db }): Promise<void> {
  await ensureCollection(events, 'schema_versions')
}
