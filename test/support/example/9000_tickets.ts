import type { Db } from 'mongodb'
import { ensureStates } from '../../../migrations/mongo/ensure.js'

/** What is known of tickets. */
export async function up({ state }: { readonly state: Db }): Promise<void> {
  await ensureStates(state, 'tickets')
}
