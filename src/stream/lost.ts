import { type Entry, fromReply, type RawEntry } from './entry.js'
import type { InFlightEntries } from './in-flight.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'

/** Pending entries that one command tells of. */
const PAGE = 1_000

/** What was found. */
export interface Lost {
  /** At most a page of each partition. */
  readonly entries: readonly Entry[]
  /** Whether there is nothing more to be found. */
  readonly complete: boolean
}

/**
 * Fetches what Redis has delivered to a consumer that never got it: when a connection breaks, the reply of a read
 * is lost, and the read that is sent anew gets newer entries. The delivery is not counted: nobody had them.
 * A partition that cannot be asked now, or has lost the group, is left out: a read meets the same, and says so.
 * @param held what the consumer has in hand
 */
export async function fetchLost(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  group: string,
  consumer: string,
  held: InFlightEntries,
): Promise<Lost> {
  const parts = await Promise.allSettled(
    partitions.map(async (keys) => {
      const ids = await unheld(redis, keys, group, consumer, held)
      if (ids.length === 0) return []
      const claim = [keys.events, group, consumer, 0, ...ids, 'RETRYCOUNT', 1] as const
      const claimed = (await redis.callBuffer('XCLAIM', ...claim)) as (RawEntry | null)[]
      return claimed.flatMap((raw) => (raw && fromReply(keys.partition, raw)) || [])
    }),
  )
  const entries = parts.flatMap((part) => (part.status === 'fulfilled' ? part.value : []))
  return { entries, complete: entries.length === 0 && parts.every(({ status }) => status === 'fulfilled') }
}

/** Ids of a page that are pending with the consumer, and not in its hand. */
async function unheld(
  redis: RedisClient,
  { partition, events }: PartitionKeys,
  group: string,
  consumer: string,
  held: InFlightEntries,
): Promise<string[]> {
  for (let from = '-'; ; ) {
    const page = (await redis.xpending(events, group, from, '+', PAGE, consumer)) as [string, ...unknown[]][]
    const ids = page.map(([id]) => id).filter((id) => !held.has(partition, id))
    if (ids.length > 0 || page.length < PAGE) return ids
    from = `(${page.at(-1)?.[0]}`
  }
}
