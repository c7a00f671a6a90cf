import type { Db } from 'mongodb'
import { ensureCollection } from './ensure.js'

/** The collection of data-action events, one document for each event. */
export async function up({ events }: { readonly events: Db }): Promise<void> {
  await ensureCollection(events, 'events')
}
