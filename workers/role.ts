import type { Logger } from 'pino'
import type { SinkName } from '../schemas/contract.js'
import { CONTRACTS } from '../schemas/index.js'
import { type Config, required } from '../src/config.js'
import { READ } from '../src/health/progress.js'
import { newWorkerStats, workerFigures } from '../src/health/stats.js'
import type { Admin } from '../src/ops/admin.js'
import { createDecoder } from '../src/pipeline/decode.js'
import { countInto, warnAbout } from '../src/pipeline/health.js'
import { together } from '../src/pipeline/observer.js'
import { WorkerTraces } from '../src/pipeline/traces.js'
import { runWorker, type WorkerOptions } from '../src/pipeline/worker.js'
import { WorkerMetrics, type WorkerState } from '../src/pipeline/worker-metrics.js'
import { retryTransient } from '../src/retry.js'
import type { Lifecycle } from '../src/shutdown.js'
import type { Sink, SinkItem } from '../src/sinks/sink.js'
import { watched } from '../src/sinks/watched.js'
import { fold } from '../src/state/fold.js'
import { openClient } from '../src/stream/client.js'
import { Consumer } from '../src/stream/consumer.js'
import { partitionKeys } from '../src/stream/keys.js'
import { unreadPartitions } from '../src/stream/lag.js'
import { askRedis, type Manner, type RedisClient } from '../src/stream/redis.js'
import { createWarnOnce } from '../src/telemetry/log.js'
import type { Telemetry } from '../src/telemetry/sdk.js'

/** Writes that fail for longer than this are an outage, in ms: the log says when it is over. */
const OUTAGE_MS = 10_000

/** Batches that a worker writes at a time: while one waits for its store's disk, the other is made ready and sent. */
const WRITES = 2

/** What the process gives to each role that it hosts. */
export interface Host {
  readonly config: Config
  readonly log: Logger
  readonly lifecycle: Lifecycle
  readonly admin: Admin
  readonly telemetry: Telemetry
}

/** Starts a role in this process; resolves when it works. It ends with the process's lifecycle. */
export type Role = (host: Host) => Promise<void>

/**
 * Does what a role cannot start without, as often as it takes: a process may be started before what it needs.
 * The log says what it waits for.
 * @throws what is not transient; the reason of the stop, where that comes first
 */
export function persist<T>({ log, lifecycle }: Host, work: () => Promise<T>): Promise<T> {
  const warnOnce = createWarnOnce(log)
  return retryTransient(work, lifecycle.stopping, (error) => warnOnce(error.message))
}

/** Connects to Redis. */
export async function openRedis(host: Host, name: string, manner: Manner) {
  const { config, log, lifecycle } = host
  const url = required(config, 'REDIS_URL')
  // A node of a Cluster that is down is told of at every command that is for it.
  const warnOnce = createWarnOnce(log)
  const redis = await persist(host, () =>
    openClient(url, manner, (error) => warnOnce(`Redis (${name}): ${error.message}`)),
  )
  lifecycle.onClose(`Redis (${name})`, async () => redis.disconnect())
  return redis
}

/** What an entry means for a sink. */
type Meaning<Item extends SinkItem> = Pick<WorkerOptions<Item>, 'decode' | 'fold'>

/** Of some sinks it is known what their pool does. */
type WithPool = Pick<WorkerState, 'pool'>

/** Starts the worker of a store: see {@link startSinkWorker}. */
export function startStoreWorker(
  host: Host,
  name: 'postgres' | 'mongo',
  open: (signal: AbortSignal) => Promise<Sink & WithPool>,
): Promise<void> {
  const maxClockSkewMs = host.config.MAX_CLOCK_SKEW_MS
  const decode = createDecoder({ contracts: CONTRACTS, sink: name, maxClockSkewMs })
  return startSinkWorker(host, name, { decode, fold }, open)
}

/**
 * Starts the worker of a sink: its member of the consumer group of the sink's name.
 * @param meaning what an entry means for the sink
 * @param open connects to the store; tried again while that is away
 */
export async function startSinkWorker<Item extends SinkItem>(
  host: Host,
  name: SinkName,
  meaning: Meaning<Item>,
  open: (signal: AbortSignal) => Promise<Sink<Item> & WithPool>,
): Promise<void> {
  const { config, log, lifecycle, admin } = host
  const stats = newWorkerStats()
  const store = await persist(host, () => open(lifecycle.stopping))
  lifecycle.onClose(`the ${name} sink`, () => store.close())
  const commands = await openRedis(host, `${name}, commands`, 'patient')
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const reader = await openRedis(host, `${name}, reads`, 'patient')
  // To wait for Redis is not to hang: ioredis keeps a command until it has a connection.
  for (const redis of [reader, commands]) redis.on('reconnecting', () => stats.progress.heartbeat())
  const metrics = new WorkerMetrics<Item>(host.telemetry.metrics, name, {
    failing: () => stats.failing !== undefined,
    ...(store.pool && { pool: store.pool.bind(store) }),
  })
  const traces = new WorkerTraces<Item>(host.telemetry.tracing, name, partitions)
  const observer = together([
    countInto<Item>(stats),
    metrics,
    warnAbout<Item>(log, (batch) => traces.idsOf(batch)),
    traces,
  ])
  const consumer = new Consumer({
    reader,
    commands,
    partitions,
    group: name,
    batch: config.BATCH_MAX_EVENTS,
    lingerMs: config.BATCH_LINGER_MS,
    leaseMs: config.LEASE_MS,
    onPoll: () => stats.progress.heartbeat(READ),
  })
  const { stopping, giveUp } = lifecycle
  await persist(host, () => askRedis('create the consumer group', () => consumer.createGroups()))
  await warnOfUnread(host, commands, name)
  const sink = watched(store, stats, ({ since, attempts }) => {
    const failedMs = Date.now() - since
    // A deadlock or a short break is nobody's business once it is over.
    if (failedMs > OUTAGE_MS) log.info({ failedMs, attempts }, `The ${name} sink takes writes again`)
  })
  const limits = { batch: config.BATCH_MAX_EVENTS, writes: WRITES, maxDeliveries: config.MAX_DELIVERIES }
  const work = { consumer, ...meaning, sink, ...limits, observer, progress: stats.progress }
  const ended = runWorker(work, stopping, giveUp).catch((error) => {
    if (!giveUp.aborted) lifecycle.stop(`the ${name} worker crashed`, error)
  })
  lifecycle.onClose(`the ${name} worker`, async () => {
    await ended
    await consumer.close()
  })
  admin.add({
    name,
    ready: (signal) => sink.ping(signal),
    stats: () => workerFigures(stats),
    stuck: () => stats.progress.stuck(),
  })
  log.info(`The ${name} worker reads as ${consumer.name}`)
}

async function warnOfUnread(host: Host, redis: RedisClient, name: string): Promise<void> {
  const { STREAM_PREFIX, PARTITIONS } = host.config
  const unread = await persist(host, () =>
    askRedis('tell of other partitions', () => unreadPartitions(redis, STREAM_PREFIX, PARTITIONS, name)),
  )
  if (unread.length === 0) return
  host.log.warn(
    `Nobody who has PARTITIONS=${PARTITIONS} reads partition ${unread.join(', ')}, and entries for ${name} are there. ` +
      `Set PARTITIONS of all workers to what the edges have, and at least to ${Math.max(...unread) + 1} until they are settled`,
  )
}
