import { type Entry, fromReply, type RawEntry } from './entry.js'
import type { InFlightEntries } from './in-flight.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'

/** Pending entries that one command lists. */
const PAGE = 1_000

/** The lost entries that were found. */
export interface Lost {
  /** At most a page of each partition. */
  readonly entries: readonly Entry[]
  /** Whether there are no more. */
  readonly complete: boolean
}

/**
 * Fetches entries that Redis delivered to a consumer but the consumer never got: when a connection breaks, the reply to
 * a read is lost, and the read that is sent again gets newer entries. The lost delivery is not counted.
 * A partition that does not answer, or has lost the group, is skipped: the next read meets the same error and throws it.
 * @param inFlight the consumer's entries in flight
 */
export async function fetchLost(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  group: string,
  consumer: string,
  inFlight: InFlightEntries,
): Promise<Lost> {
  const parts = await Promise.allSettled(
    partitions.map(async (keys) => {
      const ids = await notInFlight(redis, keys, group, consumer, inFlight)
      if (ids.length === 0) return []
      const claim = [keys.events, group, consumer, 0, ...ids, 'RETRYCOUNT', 1] as const
      const claimed = (await redis.callBuffer('XCLAIM', ...claim)) as (RawEntry | null)[]
      return claimed.flatMap((raw) => (raw && fromReply(keys.partition, raw)) || [])
    }),
  )
  const entries = parts.flatMap((part) => (part.status === 'fulfilled' ? part.value : []))
  return { entries, complete: entries.length === 0 && parts.every(({ status }) => status === 'fulfilled') }
}

/** Ids of the first pending entries of the consumer that are not in flight, at most a page. */
async function notInFlight(
  redis: RedisClient,
  { partition, events }: PartitionKeys,
  group: string,
  consumer: string,
  inFlight: InFlightEntries,
): Promise<string[]> {
  for (let from = '-'; ; ) {
    const page = (await redis.xpending(events, group, from, '+', PAGE, consumer)) as [string, ...unknown[]][]
    const ids = page.map(([id]) => id).filter((id) => !inFlight.has(partition, id))
    if (ids.length > 0 || page.length < PAGE) return ids
    from = `(${page.at(-1)?.[0]}`
  }
}
