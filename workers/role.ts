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

/** A store whose writes fail for longer than this, in ms, had an outage: the log says when it is over. */
const OUTAGE_MS = 10_000

/** Writes of a worker in flight: while one waits for its store's disk, the worker prepares and sends the other. */
const WRITES = 2

/** What the process provides to each of its roles. */
export interface Host {
  readonly config: Config
  readonly log: Logger
  readonly lifecycle: Lifecycle
  readonly admin: Admin
  readonly telemetry: Telemetry
}

/** Starts a role in this process; resolves when the role works. It ends with the process's lifecycle. */
export type Role = (host: Host) => Promise<void>

/**
 * Runs a step that a role needs for its start, and retries it while it fails: a process may start before the services
 * that it needs. The log says what it waits for.
 * @throws errors that are not transient; the reason of a shutdown, where that comes first
 */
export function persist<T>({ log, lifecycle }: Host, work: () => Promise<T>): Promise<T> {
  const warnOnce = createWarnOnce(log)
  return retryTransient(work, lifecycle.stopping, (error) => warnOnce(error.message))
}

/** Connects to Redis. */
export async function openRedis(host: Host, name: string, manner: Manner) {
  const { config, log, lifecycle } = host
  const url = required(config, 'REDIS_URL')
  // ioredis reports a Cluster node that is down at every command for it.
  const warnOnce = createWarnOnce(log)
  const redis = await persist(host, () =>
    openClient(url, manner, (error) => warnOnce(`Redis (${name}): ${error.message}`)),
  )
  lifecycle.onClose(`Redis (${name})`, async () => redis.disconnect())
  return redis
}

/** How a sink reads an entry. */
type Meaning<Item extends SinkItem> = Pick<WorkerOptions<Item>, 'decode' | 'fold'>

/** Some sinks report the state of their pool. */
type WithPool = Pick<WorkerState, 'pool'>

/** Starts the worker of a store: see {@link startSinkWorker}. */
export function startStoreWorker(
  host: Host,
  name: 'postgres' | 'mongo',
  open: (signal: AbortSignal) => Promise<Sink & WithPool>,
): Promise<void> {
  const { MAX_CLOCK_SKEW_MS: maxClockSkewMs, MAX_UNKNOWN_FIELDS: maxUnknownFields } = host.config
  const decode = createDecoder({ contracts: CONTRACTS, sink: name, maxClockSkewMs, maxUnknownFields })
  return startSinkWorker(host, name, { decode, fold }, open)
}

/**
 * Starts the worker of a sink: a member of the consumer group with the sink's name.
 * @param meaning how the sink reads an entry
 * @param open connects to the store; retried while the store is down
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
  // A wait for Redis does not count as a hang: ioredis keeps a command until it has a connection.
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
    // A deadlock or a short break needs no log line once it is over.
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
    askRedis('find other partitions with entries', () =>
      unreadPartitions(redis, STREAM_PREFIX, PARTITIONS, name),
    ),
  )
  if (unread.length === 0) return
  host.log.warn(
    `Partition ${unread.join(', ')} has entries for ${name}, but no worker with PARTITIONS=${PARTITIONS} reads it. ` +
      `Set PARTITIONS of all workers to what the edges have, and at least to ${Math.max(...unread) + 1} until these entries are acknowledged`,
  )
}
