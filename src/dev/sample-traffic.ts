import { setTimeout as sleep } from 'node:timers/promises'
import { CONTRACTS } from '../../schemas/index.js'
import { accessOf } from '../config.js'
import { openClient } from '../stream/client.js'
import { groupFigures } from '../stream/groups.js'
import { type PartitionKeys, partitionKeys } from '../stream/keys.js'
import type { RedisClient } from '../stream/redis.js'
import { table } from '../text.js'
import { balances, type SinkLedger, takeLedger } from './ledger/ledger.js'
import { openStores } from './ledger/stores.js'
import { startMonitor } from './monitor.js'
import { isSinkRole } from './roles.js'
import type { DevRun } from './run.js'
import { curlLine } from './traffic/curl.js'
import { sampleRequests } from './traffic/samples.js'
import { type Delivery, type SendReport, sendTraffic, transmit } from './traffic/sender.js'
import { lifetimeSeconds, openContracts } from './traffic/signing.js'

/** Shares of sample traffic: a little of everything that goes wrong in production. */
const SHARES = { late: 0.05, duplicate: 0.05, invalid: 0.05 }
/** Time for the workers to finish after the traffic, in ms. */
const DRAIN_MS = 120_000

/** Options of the sample traffic. */
export interface TrafficOptions {
  /** Requests a second. */
  readonly rate: number
  readonly seed: number
  /** How long to send, in ms; without it, until Ctrl-C. */
  readonly for?: number
}

/**
 * Sends sample traffic and shows the live table, until the time is over or the run is stopped.
 * With `--for` it then waits for the workers and takes the ledger.
 * @returns the exit code: 0 only if the ledger balances and every answer was the expected one
 */
export async function runTraffic(run: DevRun, options: TrafficOptions): Promise<number> {
  const { config, services, lifecycle, say } = run
  const redis = await openClient(services.redis.url, 'patient', () => undefined)
  const partitions = partitionKeys(config.STREAM_PREFIX, config.PARTITIONS)
  const monitor = startMonitor(run, redis, partitions)
  try {
    const report = await send(run, options, monitor.accepted)
    if (report === undefined || lifecycle.stopping.aborted) return 0
    say('The traffic has stopped; waiting for the workers ...')
    await drained(run, redis, partitions)
    await monitor.end()
    return await printLedger(run, report, redis, partitions)
  } finally {
    await monitor.end()
    redis.disconnect()
  }
}

/** Prints a curl line for every contract, signature included. */
export async function printInvitation({ config, url, lifecycle, say }: DevRun): Promise<void> {
  say('\nSend an event; these lines work as they are:\n')
  const senders = accessOf(config, CONTRACTS)
  for (const [contract, access] of senders) {
    const lifetime = lifetimeSeconds(access)
    if (lifetime !== undefined) say(`Within ${lifetime} s, for the signature has a date:`)
    for (const request of sampleRequests({ seed: 1, count: 1, contracts: [contract.name] })) {
      say(`${curlLine(url, request, senders)}\n`)
    }
  }
  say('Ctrl-C stops.')
  await sleep(2 ** 31 - 1, undefined, { signal: lifecycle.stopping }).catch(() => undefined)
}

/** Takes items until the time is over. Ends only the source, so that every sent request still gets its answer. */
function* until<T>(isOver: () => boolean, items: Iterable<T>): Generator<T> {
  for (const item of items) {
    if (isOver()) return
    yield item
  }
}

/** @returns the report on all requests; `undefined` without `--for`, because an endless report fills the memory */
async function send(
  { config, url, lifecycle }: DevRun,
  { seed, rate, for: forMs }: TrafficOptions,
  onAccepted: () => void,
): Promise<SendReport | undefined> {
  const { stopping } = lifecycle
  const end = performance.now() + (forMs ?? Number.POSITIVE_INFINITY)
  const senders = accessOf(config, CONTRACTS)
  const unsigned = openContracts(senders)
  const isOver = () => stopping.aborted || performance.now() >= end
  const requests = until(isOver, sampleRequests({ ...SHARES, seed, unsigned }))
  const options = { url, requests, rate, senders, signal: stopping, attempts: 10 }
  const onAnswer = ({ answer }: Delivery) => {
    if (answer?.status === 202) onAccepted()
  }
  if (forMs !== undefined) return await sendTraffic({ ...options, onAnswer })
  await transmit(options, onAnswer)
  return undefined
}

async function drained(run: DevRun, redis: RedisClient, partitions: readonly PartitionKeys[]): Promise<void> {
  const groups = run.roles.filter(isSinkRole).map(({ role }) => role)
  const end = Date.now() + DRAIN_MS
  while (Date.now() < end && !run.lifecycle.stopping.aborted) {
    const figures = await Promise.all(groups.map((group) => groupFigures(redis, partitions, group, 60_000)))
    if (figures.every(({ undelivered, pending }) => undelivered + pending === 0)) return
    await sleep(100)
  }
}

async function printLedger(
  { config, services, say }: DevRun,
  report: SendReport,
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
): Promise<number> {
  const stores = openStores(config, { postgres: services.postgres.url, mongo: services.mongo?.url })
  const sources = {
    redis,
    partitions,
    stores: stores.all,
    feed: partitionKeys(config.STREAM_PREFIX, config.FEED_PARTITIONS),
    maxClockSkewMs: config.MAX_CLOCK_SKEW_MS,
    maxUnknownFields: config.MAX_UNKNOWN_FIELDS,
  }
  const ledgers = await takeLedger(report.acknowledged, sources).finally(() => stores.close())
  say(`\nSent ${report.sent} requests, ${report.acknowledged.length} were acknowledged:`)
  for (const [label, count] of Object.entries(report.byAnswer).sort()) say(`  ${count} x ${label}`)
  for (const { request, label } of report.unexpected) {
    say(`UNEXPECTED: ${request.contract.name}, ${request.kind}: ${label}, not ${request.expect}`)
  }
  say(
    '\nThe ledger in events, as counted in the databases and in Redis: accepted = delivered + dead-lettered + pending\n',
  )
  say(ledgerTable(ledgers))
  const sound = ledgers.every(balances) && report.unexpected.length + report.unanswered === 0
  say(sound ? '\nIt balances: nothing lost, nothing doubled, nothing pending.' : '\nIT DOES NOT BALANCE.')
  return sound ? 0 : 1
}

function ledgerTable(ledgers: readonly SinkLedger[]): string {
  const figures = ['accepted', 'delivered', 'dead-lettered', 'pending', 'lost', 'doubled'] as const
  const rows = ledgers.map(({ sink, accepted, delivered, deadLettered, pending, lost, doubled }) => ({
    sink,
    accepted: String(accepted),
    delivered: String(delivered),
    'dead-lettered': String(deadLettered),
    pending: String(pending),
    lost: String(lost.length),
    doubled: String(doubled.length),
  }))
  return table(['sink', ...figures], rows, figures)
}
