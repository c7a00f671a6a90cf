import { fedSinks, SINKS, sinksNotRun } from '../src/config/sinks.js'
import { deadLetterRetention } from '../src/maintenance/dead-letter-retention.js'
import { LagCollector } from '../src/maintenance/lag-collector.js'
import { LogTrimmer } from '../src/maintenance/log-trimmer.js'
import { Scheduler } from '../src/maintenance/scheduler.js'
import { StallCheck } from '../src/maintenance/stall-check.js'
import { checkRedis } from '../src/stream/client.js'
import { BudgetKeeper } from '../src/stream/dead-letters/budget.js'
import { partitionKeys } from '../src/stream/keys.js'
import { StallWatch } from '../src/stream/stalled.js'
import { Trimmer } from '../src/stream/trim.js'
import { createWarnOnce } from '../src/telemetry/log.js'
import { observeLog } from '../src/telemetry/log-metrics.js'
import { openRedis, type Role } from './role.js'

/** A group without progress for this long is reported, in ms; at least ten leases where these are long. */
const STALLED_MS = 600_000

/** The elected replica's lease, in intervals of the lag collector: Prometheus may keep its last figures that long. */
const LEASE_TURNS = 3

/** Trims the log and the dead letters to their limits, and measures them. Any number of replicas: one is elected. */
export const start: Role = async (host) => {
  const { config, log, lifecycle, admin } = host
  const { stopping } = lifecycle
  const redis = await openRedis(host, 'maintenance', 'patient')
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const ignored = sinksNotRun(config.SINKS_NOT_RUN)
  const sinks = fedSinks(config.SINKS_NOT_RUN)
  const warn = (message: string) => log.warn(message)

  const trim = new LogTrimmer({
    redis,
    trimmer: new Trimmer(redis, partitions, { windowMs: config.REPLAY_WINDOW_MS, sinks, ignored }),
    everyMs: config.TRIM_EVERY_MS,
    maxBytes: config.REPLAY_MAX_BYTES,
    reservePercent: config.REDIS_RESERVE_PERCENT,
    onTrimmed: (figures) => log.debug(figures, 'Trimmed the log'),
  })
  const patience = { afterMs: Math.max(STALLED_MS, 10 * config.LEASE_MS), leaseMs: config.LEASE_MS }
  const watch = new StallWatch(redis, { ...patience, sinks: SINKS }, warn)
  const stalls = new StallCheck(watch, () => trim.takeNeeds(), config.TRIM_EVERY_MS)
  const lag = new LagCollector({
    redis,
    partitions,
    sinks: [...sinks.keys()],
    everyMs: config.MEASURE_EVERY_MS,
    stalled: () => stalls.count(),
  })
  const budget = { maxBytes: config.DEAD_LETTER_MAX_BYTES, maxAgeMs: config.DEAD_LETTER_MAX_AGE_MS }
  const retention = deadLetterRetention(new BudgetKeeper(redis, partitions, budget, warn))

  const scheduler = new Scheduler({
    redis,
    prefix: `{${config.STREAM_PREFIX}:jobs}`,
    tasks: [trim, stalls, lag, retention],
    leaseMs: LEASE_TURNS * config.MEASURE_EVERY_MS,
    warn: createWarnOnce(log),
    onCrash: (error) => lifecycle.stop('maintenance crashed', error),
  })
  observeLog(host.telemetry.metrics, () => (scheduler.elected ? lag.figures() : undefined))
  const running = scheduler.run(stopping).catch((error) => {
    if (!stopping.aborted) lifecycle.stop('maintenance crashed', error)
  })
  lifecycle.onClose('maintenance', () => running)
  const stats = () => ({ ...trim.figures, stalledGroups: stalls.groups })
  admin.add({ name: 'maintenance', ready: () => checkRedis(redis), stats })
  if (ignored.length > 0) log.info(`Nothing is kept for ${ignored.join(', ')} (SINKS_NOT_RUN)`)
  log.info(`Events stay in the log for ${config.REPLAY_WINDOW_MS} ms at least, while there is room`)
}
