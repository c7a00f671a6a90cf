import { crc32 } from 'node:zlib'
import { checkRedis } from './client.js'
import type { PartitionKeys } from './keys.js'
import { askRedis, type RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const feed = loadScript('feed')

/** Records that one call appends: 1 to 2 ms in which Redis does nothing else. */
const CALL_RECORDS = 100

/** A record before it has a place in the feed. */
export interface NewRecord {
  /** Name of the contract that the event came in by. */
  readonly contract: string
  /** Of several records with the same key the feed takes the first. */
  readonly key: string
  /** The entry that it came from. */
  readonly origin: { readonly partition: number; readonly entryId: string }
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  /** W3C `traceparent`; empty where the request was not traced. */
  readonly trace: string
  /** JSON. */
  readonly value: string
}

/** The clean feed: in each partition a stream, and beside it the keys that it has had. */
export interface Feed {
  /**
   * Appends records whose keys the feed has not had within its retention; durable when it returns. Doing it
   * again changes nothing. One round trip; calls of 100 records for each partition.
   * @throws TransientError it is not known which records are in the feed
   */
  append(records: readonly NewRecord[]): Promise<void>
  /** Whether Redis answers now. @throws TransientError with the cause where it does not */
  ping(): Promise<void>
}

/**
 * Opens the feed. Which partition has a key depends on the key alone – wherever its event came in – so one script
 * there can look, append and remember at once. Its entry may lie in another partition, hence perhaps on another
 * node, and is acknowledged afterwards: a crash in between delivers it again, and then its key is known.
 * @param redis a patient connection: what it sends twice is appended once
 * @param retentionMs how long a record stays in the feed, and its key is remembered, in ms
 */
export function createFeed(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  retentionMs: number,
): Feed {
  return {
    async append(records) {
      const calls: Promise<unknown>[] = []
      for (const [keys, own] of byHome(records, partitions)) {
        for (let start = 0; start < own.length; start += CALL_RECORDS) {
          const some = own.slice(start, start + CALL_RECORDS)
          const places = some.map(({ key }) => keys.seen + key)
          calls.push(feed(redis, [keys.feed, ...places], [retentionMs, ...some.flatMap(recordFields)]))
        }
      }
      await askRedis('append to the clean feed', () => Promise.all(calls))
    },
    async ping() {
      await checkRedis(redis)
    },
  }
}

function byHome(
  records: readonly NewRecord[],
  partitions: readonly PartitionKeys[],
): Map<PartitionKeys, NewRecord[]> {
  const homes = new Map<PartitionKeys, NewRecord[]>()
  for (const record of records) {
    const home = partitions[crc32(record.key) % partitions.length]
    if (!home) throw new Error('A feed needs at least one partition')
    const own = homes.get(home)
    if (own) own.push(record)
    else homes.set(home, [record])
  }
  return homes
}

/** A record's values, in the order that the script names them. */
function recordFields({ contract, key, origin, receivedAt, trace, value }: NewRecord): string[] {
  const entry = `${origin.partition}/${origin.entryId}`
  return [contract, key, entry, String(receivedAt), trace, value]
}
