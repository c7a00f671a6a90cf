import type { Db } from 'mongodb'
import { ensureStates } from './ensure.js'

/** Collections and views for the states of contacts, interactions and contact records. */
export async function up({ state }: { readonly state: Db }): Promise<void> {
  for (const name of ['contacts', 'interactions', 'contact_records']) await ensureStates(state, name)
}
