import type { Logger } from 'pino'
import type { SinkName } from '../schemas/contract.js'
import { CONTRACTS } from '../schemas/index.js'
import { type Config, required } from '../src/config.js'
import type { Admin } from '../src/ops/admin.js'
import { createDecoder } from '../src/pipeline/decode.js'
import { runWorker, type WorkerOptions } from '../src/pipeline/worker.js'
import { retryTransient } from '../src/retry.js'
import type { Lifecycle } from '../src/shutdown.js'
import type { Sink } from '../src/sinks/sink.js'
import { fold } from '../src/state/fold.js'
import type { Position } from '../src/state/version.js'
import { Consumer } from '../src/stream/consumer.js'
import { BudgetKeeper } from '../src/stream/dead-letters/budget.js'
import { partitionKeys } from '../src/stream/keys.js'
import { askRedis, connectRedis, createRedis } from '../src/stream/redis.js'
import { newWorkerStats, workerFigures } from '../src/telemetry/stats.js'

/** What the process gives to each role that it hosts. */
export interface Host {
  readonly config: Config
  readonly log: Logger
  readonly lifecycle: Lifecycle
  readonly admin: Admin
}

/** Starts a role in this process; resolves when it works. It ends with the process's lifecycle. */
export type Role = (host: Host) => Promise<void>

/** Connects to Redis, as often as it takes: a process may be started before its Redis. */
export async function openRedis(
  { config, log, lifecycle }: Host,
  name: string,
  manner: 'fail-fast' | 'patient',
) {
  const url = required(config, 'REDIS_URL')
  const redis = await retryTransient(
    async () => {
      const candidate = createRedis(url, manner, (error) => log.warn(`Redis (${name}): ${error.message}`))
      await connectRedis(candidate)
      return candidate
    },
    lifecycle.stopping,
    (error) => log.warn(error.message),
  )
  lifecycle.onClose(`Redis (${name})`, async () => redis.disconnect())
  return redis
}

/** Starts the worker of a store: see {@link startSinkWorker}. */
export function startStoreWorker(
  host: Host,
  name: 'postgres' | 'mongo',
  open: (signal: AbortSignal) => Promise<Sink>,
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
export async function startSinkWorker<Item extends { readonly origin: Position }>(
  host: Host,
  name: SinkName,
  meaning: Pick<WorkerOptions<Item>, 'decode' | 'fold'>,
  open: (signal: AbortSignal) => Promise<Sink<Item>>,
): Promise<void> {
  const { config, log, lifecycle, admin } = host
  const sink = await retryTransient(
    () => open(lifecycle.stopping),
    lifecycle.stopping,
    (error) => log.warn(error.message),
  )
  lifecycle.onClose(`the ${name} sink`, () => sink.close())
  const commands = await openRedis(host, `${name}, commands`, 'patient')
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const consumer = new Consumer({
    reader: await openRedis(host, `${name}, reads`, 'patient'),
    commands,
    partitions,
    group: name,
    batch: config.BATCH_MAX_EVENTS,
    lingerMs: config.BATCH_LINGER_MS,
    leaseMs: config.LEASE_MS,
  })
  const { stopping, giveUp } = lifecycle
  await retryTransient(
    () => askRedis('create the consumer group', () => consumer.createGroups()),
    stopping,
    (error) => log.warn(error.message),
  )
  const stats = newWorkerStats()
  const work = { consumer, ...meaning, sink, batch: config.BATCH_MAX_EVENTS, stats, log }
  const ended = runWorker(work, stopping, giveUp).catch((error) => {
    if (!giveUp.aborted) lifecycle.stop(`the ${name} worker crashed`, error)
  })
  lifecycle.onClose(`the ${name} worker`, async () => {
    await ended
    await consumer.close()
  })
  const budget = { maxBytes: config.DEAD_LETTER_MAX_BYTES, maxAgeMs: config.DEAD_LETTER_MAX_AGE_MS }
  const keeper = new BudgetKeeper(commands, partitions, budget, (message) => log.warn(message))
  keeper.run(stopping).catch((error) => {
    if (!stopping.aborted) lifecycle.stop('keeping the budget of dead letters crashed', error)
  })
  admin.add({ name, ready: (signal) => sink.ping(signal), stats: () => workerFigures(stats) })
  log.info(`The ${name} worker reads as ${consumer.name}`)
}
