import { setTimeout as sleep } from 'node:timers/promises'
import { receivedAt } from '../../src/stream/entry.js'
import { groupFigures } from '../../src/stream/groups.js'
import type { RedisClient } from '../../src/stream/redis.js'
import { SINKS } from './expected.js'
import { type Fleet, PARTITIONS } from './fleet.js'
import type { Finding } from './verdict.js'

/** Fresh traffic in the end, in requests, and how long it may take, in ms. */
export const FRESH = { count: 60, withinMs: 10_000 }
/** What is older than this should be trimmed, in ms: the window of a run, an outage, and a round or two. */
const UNTRIMMED_MS = 40_000

/** @returns time from a moment of `performance.now()` until nothing waits any more, in ms; `undefined`: never */
export async function settledSince(
  start: number,
  redis: RedisClient,
  timeoutMs: number,
): Promise<number | undefined> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; ) {
    if ((await waiting(redis)).length === 0) return performance.now() - start
    await sleep(100)
  }
  return undefined
}

/** Groups that have something to do. */
async function waiting(redis: RedisClient): Promise<string[]> {
  const figures = await Promise.all(SINKS.map((sink) => groupFigures(redis, PARTITIONS, sink, 2_000)))
  return figures
    .filter(({ undelivered, pending }) => undelivered + pending > 0)
    .map(({ group, undelivered, pending }) => `${group}: ${undelivered} undelivered, ${pending} pending`)
}

/** What is not as it should be with the processes, the groups and the log. */
export async function troubles(
  fleet: Fleet,
  redis: RedisClient,
  recoveredMs: number | undefined,
  freshMs: number | undefined,
): Promise<Finding[]> {
  const findings: Finding[] = fleet.troubles.map((what) => ({ kind: 'crashed', what }))
  for (const what of await waiting(redis)) findings.push({ kind: 'pending', what })
  if (recoveredMs === undefined) findings.push({ kind: 'stuck', what: 'not everything was settled in time' })
  if (freshMs === undefined || freshMs > FRESH.withinMs) {
    findings.push({ kind: 'stuck', what: `fresh traffic was not settled within ${FRESH.withinMs} ms` })
  }
  const oldestMs = fleet.members.has('maintenance-1') ? await ageOfLog(redis) : 0
  if (oldestMs > UNTRIMMED_MS) {
    const what = `the log is not trimmed: it has an entry of ${Math.round(oldestMs / 1_000)} s ago`
    findings.push({ kind: 'stuck', what })
  }
  return findings
}

/** Entries that are in the log now. */
export async function logLength(redis: RedisClient): Promise<number> {
  const lengths = await Promise.all(PARTITIONS.map(({ events }) => redis.xlen(events)))
  return lengths.reduce((sum, length) => sum + length, 0)
}

/** Age of the oldest entry in the log, in ms by this machine's clock. */
async function ageOfLog(redis: RedisClient): Promise<number> {
  const heads = await Promise.all(PARTITIONS.map(({ events }) => redis.xrange(events, '-', '+', 'COUNT', 1)))
  return Math.max(0, ...heads.flat().map(([id]) => Date.now() - receivedAt(id)))
}
