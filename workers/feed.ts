import { CONTRACTS } from '../schemas/index.js'
import { createCleaner } from '../src/pipeline/clean.js'
import { unfolded } from '../src/pipeline/deliver.js'
import type { FeedRecord, Sink } from '../src/sinks/sink.js'
import { createFeed } from '../src/stream/feed.js'
import { partitionKeys } from '../src/stream/keys.js'
import { openRedis, type Role, startSinkWorker } from './role.js'

/** Puts what is valid into the clean feed, once. */
export const start: Role = (host) => {
  const { STREAM_PREFIX, PARTITIONS, FEED_RETENTION_MS } = host.config
  const open = async (): Promise<Sink<FeedRecord>> => {
    const redis = await openRedis(host, 'feed, appends', 'patient')
    const feed = createFeed(redis, partitionKeys(STREAM_PREFIX, PARTITIONS), FEED_RETENTION_MS)
    return { name: 'feed', write: feed.append, ping: feed.ping, close: async () => undefined }
  }
  return startSinkWorker(host, 'feed', { decode: createCleaner(CONTRACTS), fold: unfolded }, open)
}
