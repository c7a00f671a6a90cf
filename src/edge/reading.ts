import type { Memory } from '../stream/memory.js'
import type { Limit, Reading } from './admission.js'
import { type Backlog, type GroupBacklog, NO_GROUP } from './backlog.js'
import type { DrainRate } from './drain-rate.js'

/** How much backlog is allowed. */
export interface BacklogBudget {
  /** Bytes of entries that at least one group has not acknowledged; 0: no such budget. */
  readonly maxBytes: number
  /** Age of the oldest entry that at least one group has not acknowledged, in ms; 0: no such budget. */
  readonly maxAgeMs: number
  /** Percent of each server's `maxmemory` that requests must leave free. */
  readonly reservePercent: number
}

/** Compares a reading with the budget. @param drainRate has observed the same backlog */
export function compare(
  backlog: Backlog,
  memories: readonly Memory[],
  drainRate: DrainRate,
  { maxBytes, maxAgeMs, reservePercent }: BacklogBudget,
): Reading {
  const limits: Limit[] = memories
    .filter(({ max }) => max > 0)
    .map(({ used, max }) => limit('REDIS_RESERVE_PERCENT', used, max * (1 - reservePercent / 100)))
  if (maxBytes > 0) limits.push(limit('BACKLOG_MAX_BYTES', backlog.bytes, maxBytes))
  if (maxAgeMs === 0) return { limits, age: 0 }
  for (const { group, entries, bytes } of backlog.groups) {
    const speed = drainRate.speedOf(group)
    if (speed === undefined || entries === 0) continue
    // A new entry waits for the whole backlog, so the limit is what drains within the allowed time.
    limits.push(limit('BACKLOG_MAX_AGE_MS', bytes, (speed * maxAgeMs * bytes) / entries))
  }
  return { limits, age: oldestAgeMs(backlog) / maxAgeMs }
}

function limit(variable: Limit['variable'], used: number, most: number): Limit {
  return { variable, used, most }
}

/** Age of the oldest entry that at least one group has not acknowledged, in ms; 0 where there is none. */
export function oldestAgeMs({ groups }: Backlog): number {
  return Math.max(0, ...groups.map(({ ageMs }) => ageMs))
}

/** Why some requests are refused, which group is behind and what to do, for a person. */
export function explain({ limits, age }: Reading, backlog: Backlog): string {
  const [tightest] = [...limits].sort((a, b) => b.used / b.most - a.used / a.most)
  const byAge = tightest === undefined || age > tightest.used / tightest.most
  return `${byAge ? AGE : explainLimit(tightest)}. ${explainGroups(backlog.groups, byAge ? undefined : tightest)}`
}

const AGE = 'the oldest entry in the log has waited for nearly BACKLOG_MAX_AGE_MS, or longer'

function explainLimit({ variable, used, most }: Limit): string {
  switch (variable) {
    case 'BACKLOG_MAX_AGE_MS':
      return 'at the current speed of the workers, a new entry would wait for nearly BACKLOG_MAX_AGE_MS, or longer'
    case 'BACKLOG_MAX_BYTES':
      return `${megabytes(used)} wait in the log, and BACKLOG_MAX_BYTES is ${megabytes(most)}`
    case 'REDIS_RESERVE_PERCENT':
      return (
        `Redis uses ${megabytes(used)} of its memory, and requests may use ${megabytes(most)} ` +
        '(its maxmemory without REDIS_RESERVE_PERCENT)'
      )
  }
}

/** Below this share of the used memory, the backlog is not what fills Redis. */
const MATTERS = 0.2

function explainGroups(groups: readonly GroupBacklog[], tightest: Limit | undefined): string {
  const byAge = tightest === undefined
  const [behind] = byAge ? [...groups].sort((a, b) => b.ageMs - a.ageMs) : groups
  const isMemory = tightest?.variable === 'REDIS_RESERVE_PERCENT'
  if (behind === undefined || (isMemory && behind.bytes < tightest.used * MATTERS)) {
    return (
      'No worker is far behind: dead letters, events kept for a replay, or other users of this Redis fill its memory. ' +
      'Redrive or discard dead letters, keep events for a shorter time, or raise maxmemory.'
    )
  }
  const { group, entries, bytes, ageMs } = behind
  const what = `${Math.round(entries)} entries, ${megabytes(bytes)}, the oldest ${Math.round(ageMs / 1_000)} s old`
  if (group === NO_GROUP)
    return `No worker has ever read them (${what}). Start the workers: tributary start --help.`
  return `The group ${group} is behind by ${what}. Start more of its workers, or read in their log what stops them.`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
