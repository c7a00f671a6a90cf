import { fedSinks, SINKS, sinksNotRun } from '../src/config/sinks.js'
import { startMaintainer } from '../src/ops/maintainer.js'
import { Measurer } from '../src/ops/measurer.js'
import { checkRedis } from '../src/stream/client.js'
import { partitionKeys } from '../src/stream/keys.js'
import { logBudget } from '../src/stream/log-budget.js'
import { readMemory } from '../src/stream/memory.js'
import { StallWatch } from '../src/stream/stalled.js'
import { Trimmer } from '../src/stream/trim.js'
import { seldomWarn } from '../src/telemetry/log.js'
import { observeLog } from '../src/telemetry/log-metrics.js'
import { openRedis, type Role } from './role.js'

/** A group without progress for so long is named, in ms; where a lease is long, after ten of them. */
const STALLED_MS = 600_000

/** What one trim has found of such groups counts for so many turns. */
const STALLED_TURNS = 3

/** Trims the log and measures it. Any number of replicas: one of them does it at a time. */
export const start: Role = async (host) => {
  const { config, log, lifecycle, admin } = host
  const { stopping } = lifecycle
  const redis = await openRedis(host, 'maintenance', 'patient')
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const ignored = sinksNotRun(config.SINKS_NOT_RUN)
  const sinks = fedSinks(config.SINKS_NOT_RUN)
  const { REPLAY_WINDOW_MS: windowMs, REPLAY_MAX_BYTES: maxBytes, REDIS_RESERVE_PERCENT: reserve } = config
  const trimmer = new Trimmer(redis, partitions, { windowMs, sinks, ignored })
  const patience = { afterMs: Math.max(STALLED_MS, 10 * config.LEASE_MS), leaseMs: config.LEASE_MS }
  const watch = new StallWatch(redis, { ...patience, sinks: SINKS }, (message) => log.warn(message))
  const figures = { turns: 0, trimmed: 0, logBytes: 0, stalledGroups: [] as string[] }
  const warn = seldomWarn(log)
  const prefix = `{${config.STREAM_PREFIX}:jobs}`
  const measured = {
    redis,
    partitions,
    prefix,
    sinks: [...sinks.keys()],
    everyMs: config.MEASURE_EVERY_MS,
    warn,
  }
  const measurer = new Measurer(measured)
  observeLog(host.telemetry.metrics, () => measurer.figures())
  let logBytes: number | undefined
  const trim = async () => {
    const budget = logBudget(await readMemory(redis), logBytes, reserve, maxBytes)
    const { removed, bytes, needs } = await trimmer.run(budget, stopping)
    logBytes = bytes
    figures.turns++
    figures.trimmed += removed
    figures.logBytes = bytes
    figures.stalledGroups = await watch.look(needs)
    await measurer.tellStalled(figures.stalledGroups.length, STALLED_TURNS * config.TRIM_EVERY_MS)
    if (removed > 0) log.debug({ removed, bytes }, 'Trimmed the log')
  }
  const options = {
    redis,
    prefix,
    chores: [{ name: 'trim', everyMs: config.TRIM_EVERY_MS, run: trim }],
    warn,
    onCrash: (error: unknown) => lifecycle.stop('maintenance crashed', error),
  }
  const measuring = measurer.run(stopping).catch((error) => {
    if (!stopping.aborted) lifecycle.stop('measuring the log crashed', error)
  })
  const maintainer = startMaintainer(options, stopping)
  lifecycle.onClose('maintenance', async () => {
    await Promise.all([maintainer.close(), measuring])
  })
  admin.add({ name: 'maintenance', ready: () => checkRedis(redis), stats: () => figures })
  if (ignored.length > 0) log.info(`Nothing is kept for ${ignored.join(', ')} (SINKS_NOT_RUN)`)
  log.info(`Events stay in the log for ${windowMs} ms at least, while there is room`)
}
