import { crc32 } from 'node:zlib'
import { checkRedis } from './client.js'
import type { PartitionKeys } from './keys.js'
import { askRedis, type RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const feed = loadScript('feed')

/** Records that one call appends; it blocks Redis for 1 to 2 ms. */
const CALL_RECORDS = 100

/** A record before it is in the feed. */
export interface NewRecord {
  /** Name of the event's contract. */
  readonly contract: string
  /** The feed keeps only the first of several records with the same key. */
  readonly key: string
  /** The entry that it came from. */
  readonly origin: { readonly partition: number; readonly entryId: string }
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  /** W3C `traceparent`; empty when the request was not traced. */
  readonly trace: string
  /** JSON. */
  readonly value: string
}

/** The clean feed: per partition a stream, and the keys of the records it has had. */
export interface Feed {
  /**
   * Appends the records whose keys are new to the feed within its retention; durable when it returns. Repeating it
   * changes nothing. One round trip; calls of 100 records for each partition.
   * @throws TransientError when it is not known which records are in the feed
   */
  append(records: readonly NewRecord[]): Promise<void>
  /** Checks that Redis answers now. @throws TransientError with the cause when it does not */
  ping(): Promise<void>
}

/**
 * Opens the feed. A record's partition depends only on its key, not on the partition of its entry, so one script can
 * check the key, append the record and remember the key. The entry may be in another partition, perhaps on another
 * node, and is acknowledged afterwards: after a crash in between it is delivered again, and then its key is known.
 * @param redis a patient connection: a record that it sends twice is appended once
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
      for (const [keys, own] of byPartition(records, partitions)) {
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

function byPartition(
  records: readonly NewRecord[],
  partitions: readonly PartitionKeys[],
): Map<PartitionKeys, NewRecord[]> {
  const byKeys = new Map<PartitionKeys, NewRecord[]>()
  for (const record of records) {
    const keys = partitions[crc32(record.key) % partitions.length]
    if (!keys) throw new Error('A feed needs at least one partition')
    const own = byKeys.get(keys)
    if (own) own.push(record)
    else byKeys.set(keys, [record])
  }
  return byKeys
}

/** A record's values in the order that the script expects. */
function recordFields({ contract, key, origin, receivedAt, trace, value }: NewRecord): string[] {
  const entry = `${origin.partition}/${origin.entryId}`
  return [contract, key, entry, String(receivedAt), trace, value]
}
