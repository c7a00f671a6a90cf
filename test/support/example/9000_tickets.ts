import type { Db } from 'mongodb'
import { ensureStates } from '../../../migrations/mongo/ensure.js'

/** Creates the collection of tickets. */
export async function up({ state }: { readonly state: Db }): Promise<void> {
  await ensureStates(state, 'tickets')
}
