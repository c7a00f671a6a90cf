import { nameOfAll } from '../../stream/calls.js'
import { createFeed } from '../../stream/feed.js'
import type { PartitionKeys } from '../../stream/keys.js'
import type { RedisClient } from '../../stream/redis.js'
import { OPERATION } from '../../telemetry/names.js'
import { timed } from '../../telemetry/timing.js'
import type { FeedRecord, Sink } from '../sink.js'

/** The clean feed as a sink; the parameters are those of {@link createFeed}. The connection stays the caller's. */
export function createFeedSink(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  retentionMs: number,
): Sink<FeedRecord> {
  const { append, ping } = createFeed(redis, partitions, retentionMs)
  const collection = nameOfAll(partitions, 'feed')
  const call = { system: 'redis', operation: OPERATION.append, collection } as const
  return {
    name: 'feed',
    write: (records, _signal, onCall) =>
      timed(
        () => append(records),
        onCall && ((timing) => onCall({ ...call, count: records.length, items: () => records, ...timing })),
      ),
    ping,
    close: async () => undefined,
  }
}
