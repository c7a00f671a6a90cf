import type { SinkName } from '../../../schemas/contract.js'
import { CONTRACTS, ENTITIES } from '../../../schemas/index.js'
import { required } from '../../config.js'
import type { TransientError } from '../../errors.js'
import { newWorkerStats } from '../../health/stats.js'
import { createCleaner } from '../../pipeline/clean.js'
import { createDecoder } from '../../pipeline/decode.js'
import { unfolded } from '../../pipeline/deliver.js'
import { type ReplayOptions, type ReplayTally, replayEntries } from '../../pipeline/replay.js'
import { createFeedSink } from '../../sinks/feed/sink.js'
import { createMongoSink } from '../../sinks/mongo/sink.js'
import { createPostgresSink } from '../../sinks/postgres/sink.js'
import type { Sink } from '../../sinks/sink.js'
import { watched } from '../../sinks/watched.js'
import { fold } from '../../state/fold.js'
import type { Position } from '../../state/version.js'
import type { Entry } from '../../stream/entry.js'
import { partitionKeys } from '../../stream/keys.js'
import type { Connected } from '../connection.js'

/** The sinks that can be replayed into: those to which events are written unchanged. */
export const TARGETS = ['postgres', 'mongo', 'feed'] as const satisfies readonly SinkName[]
/** One of {@link TARGETS}. */
export type TargetName = (typeof TARGETS)[number]

/** The sink of a replay. */
export interface Target {
  /** Writes entries to the sink, or only counts them. @returns the number of events. See {@link replayEntries} */
  take(entries: readonly Entry[], tally: ReplayTally): Promise<number>
  close(): Promise<void>
}

/**
 * Opens the sink, with the same decoding and folding as in its workers.
 * @param dryRun opens nothing: entries are only decoded and counted
 * @param onRetry called with the error before each retry
 * @throws TransientError where the store does not answer · Error that names what is missing
 */
export async function openTarget(
  name: TargetName,
  { config, redis }: Connected,
  {
    dryRun,
    signal,
    onRetry,
  }: { dryRun: boolean; signal: AbortSignal; onRetry: (error: TransientError) => void },
): Promise<Target> {
  const batch = config.BATCH_MAX_EVENTS
  const report = (line: string) => void process.stderr.write(`${line}\n`)
  const target = <Item extends { readonly origin: Position }>(
    options: Omit<ReplayOptions<Item>, 'delivery'>,
    folding: (items: readonly Item[]) => Map<Item, readonly Item[]>,
    sink: Sink<Item> | undefined,
  ): Target => {
    const delivery = sink && {
      delivery: { sink: watched(sink, newWorkerStats()), fold: folding, batch, signal, onRetry },
    }
    return {
      take: (entries, tally) => replayEntries(entries, { ...options, ...delivery }, tally),
      close: async () => sink?.close(),
    }
  }
  if (name === 'feed') {
    const partitions = partitionKeys(config.STREAM_PREFIX, config.FEED_PARTITIONS)
    const feed = createFeedSink(redis, partitions, config.FEED_RETENTION_MS)
    return target({ decode: createCleaner(CONTRACTS) }, unfolded, dryRun ? undefined : feed)
  }
  const { MAX_CLOCK_SKEW_MS: maxClockSkewMs, MAX_UNKNOWN_FIELDS: maxUnknownFields } = config
  const decode = createDecoder({ contracts: CONTRACTS, sink: name, maxClockSkewMs, maxUnknownFields })
  if (dryRun) return target({ decode }, fold, undefined)
  if (name === 'postgres') {
    const url = required(config, 'POSTGRES_URL')
    return target({ decode }, fold, await createPostgresSink({ url, entities: ENTITIES, signal, report }))
  }
  const url = required(config, 'MONGODB_URL')
  const databases = { state: config.MONGODB_STATE_DATABASE, events: config.MONGODB_EVENTS_DATABASE }
  return target({ decode }, fold, await createMongoSink({ url, databases, entities: ENTITIES, report }))
}
