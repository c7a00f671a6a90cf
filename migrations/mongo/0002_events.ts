import type { Db } from 'mongodb'
import { ensureCollection } from './ensure.js'

/** Data-action events, one document each. */
export async function up({ events }: { readonly events: Db }): Promise<void> {
  await ensureCollection(events, 'events')
}
