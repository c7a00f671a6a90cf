import { createFeed } from '../../stream/feed.js'
import { nameOfAll, type PartitionKeys } from '../../stream/keys.js'
import type { RedisClient } from '../../stream/redis.js'
import { reported } from '../../telemetry/command.js'
import { OPERATION } from '../../telemetry/names.js'
import type { FeedRecord, Sink } from '../sink.js'

/** The clean feed as a sink, with the parameters of {@link createFeed}. The caller closes the connection. */
export function createFeedSink(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  retentionMs: number,
): Sink<FeedRecord> {
  const { append, ping } = createFeed(redis, partitions, retentionMs)
  const target = nameOfAll(partitions, 'feed')
  return {
    name: 'feed',
    write: (records, _signal, report) => {
      const about = { system: 'redis', operation: OPERATION.append, target, count: records.length } as const
      return reported(about, report, () => append(records))
    },
    ping,
    close: async () => undefined,
  }
}
