import { type NewEntry, toFields } from '../entry.js'
import type { PartitionKeys } from '../keys.js'
import type { Origin } from '../origin.js'
import type { RedisClient } from '../redis.js'
import { loadScript } from '../scripts.js'

const redrive = loadScript('redrive')

/** A letter, and the entry that is made of it. */
export interface Redriven {
  /** Its id in the dead-letter stream. */
  readonly streamId: string
  readonly entry: NewEntry
  readonly origin: Origin
}

/**
 * Moves letters of one partition back into its log in one atomic call: whatever happens, each letter is in one of the two
 * streams. Letters that were moved or discarded before are skipped.
 * @returns how many were moved
 * @throws the error of Redis or the connection; repeating it is safe
 */
export async function moveToLog(
  redis: RedisClient,
  { dead, events }: PartitionKeys,
  letters: readonly Redriven[],
): Promise<number> {
  const args = letters.flatMap(({ streamId, entry, origin }) => [streamId, ...toFields(entry, origin)])
  return Number(await redrive(redis, [dead, events], args))
}
