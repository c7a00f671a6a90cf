import { CONTRACTS } from '../schemas/index.js'
import { createCleaner } from '../src/pipeline/clean.js'
import { unfolded } from '../src/pipeline/deliver.js'
import { createFeedSink } from '../src/sinks/feed/sink.js'
import type { FeedRecord, Sink } from '../src/sinks/sink.js'
import { partitionKeys } from '../src/stream/keys.js'
import { openRedis, type Role, startSinkWorker } from './role.js'

/** Writes valid events to the clean feed, each once. */
export const start: Role = (host) => {
  const { STREAM_PREFIX, FEED_PARTITIONS, FEED_RETENTION_MS } = host.config
  const open = async (): Promise<Sink<FeedRecord>> => {
    const redis = await openRedis(host, 'feed, appends', 'patient')
    return createFeedSink(redis, partitionKeys(STREAM_PREFIX, FEED_PARTITIONS), FEED_RETENTION_MS)
  }
  return startSinkWorker(host, 'feed', { decode: createCleaner(CONTRACTS), fold: unfolded }, open)
}
