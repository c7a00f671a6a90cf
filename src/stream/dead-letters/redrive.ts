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
 * Moves letters of one partition back into its log, in one atomic call: each is in the one stream or in the other,
 * whatever happens, and one that has been moved or discarded before is left out.
 * @returns how many were moved
 * @throws whatever Redis or the connection answers; doing it again is safe
 */
export async function moveToLog(
  redis: RedisClient,
  { dead, events }: PartitionKeys,
  letters: readonly Redriven[],
): Promise<number> {
  const args = letters.flatMap(({ streamId, entry, origin }) => [streamId, ...toFields(entry, origin)])
  return Number(await redrive(redis, [dead, events], args))
}
