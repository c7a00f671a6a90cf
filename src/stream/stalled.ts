import { countEntries } from './count.js'
import { receivedAt } from './entry.js'
import type { RedisClient } from './redis.js'
import type { Need } from './trim.js'

/** A warning is repeated after this time, in ms. */
const REPEAT_MS = 3_600_000
/** Maximum pages of 1,000 entries that are counted for a warning; costs Redis 0.3 s, in steps of 3 ms. */
const COUNTED_PAGES = 100

/** When a group counts as stalled: no worker reads it. */
export interface StallOptions {
  /** A group without progress for this time is stalled, in ms. */
  readonly afterMs: number
  /** A worker renews its lease on an entry within this time, in ms: LEASE_MS. */
  readonly leaseMs: number
  /** Names of the sinks that this version has: every other group belongs to other software. */
  readonly sinks: readonly string[]
}

/** A need as last seen, and since when it has been the same, on this process's own clock. */
interface Observation {
  readonly need: Need
  readonly since: number
}

/**
 * Finds stalled groups: entries are kept for them, but nothing reads them, because a worker was switched off or a group is
 * no longer used. A group whose store is away is not stalled: its worker renews its lease. Judges by lack of progress
 * only, because before Redis 7.2 a consumer that waits for entries looks idle.
 */
export class StallWatch {
  readonly #observations = new Map<string, Observation>()
  readonly #eventTime = new Map<string, number>()

  /** @param warn called for each such group, once an hour */
  constructor(
    private readonly redis: RedisClient,
    private readonly options: StallOptions,
    private readonly warn: (message: string) => void,
  ) {}

  /**
   * Compares the needs of now with those of the last call.
   * @param needs needs of all groups in all streams
   * @returns the names of the stalled groups
   * @throws the error of Redis or the connection
   */
  async look(needs: readonly Need[]): Promise<string[]> {
    const now = performance.now()
    const before = new Map(this.#observations)
    this.#observations.clear()
    const stalled = new Map<string, Need[]>()
    for (const need of needs) {
      const observation = before.get(placeOf(need))
      const since = observation && this.#isSame(observation.need, need) ? observation.since : now
      this.#observations.set(placeOf(need), { need, since })
      if (now - since < this.options.afterMs) continue
      stalled.set(need.group, [...(stalled.get(need.group) ?? []), need])
    }
    for (const [group, own] of stalled) {
      const eventTime = this.#eventTime.get(group)
      if (eventTime !== undefined && now - eventTime < REPEAT_MS) continue
      this.#eventTime.set(group, now)
      this.warn(await this.#describe(group, own))
    }
    return [...stalled.keys()]
  }

  #isSame(before: Need, now: Need): boolean {
    const isInFlight = now.idleMs !== undefined && now.idleMs <= this.options.leaseMs
    return before.id === now.id && before.exists === now.exists && !isInFlight
  }

  async #describe(group: string, needs: readonly Need[]): Promise<string> {
    let [entries, bytes, uncounted] = [0, 0, false]
    for (const { stream, id } of needs) {
      const { counts, complete } = await countEntries(this.redis, stream, id, { pages: COUNTED_PAGES })
      const count = 1 + (counts.get('') ?? 0)
      const all = Number((await this.redis.call('MEMORY', 'USAGE', stream)) ?? 0)
      entries += count
      bytes += all * Math.min(1, count / Math.max(1, await this.redis.xlen(stream)))
      uncounted ||= !complete
    }
    const oldest = Math.min(...needs.map(({ id }) => receivedAt(id)))
    const streams = [...new Set(needs.map(({ stream }) => stream))]
    const where = streams.length > 1 ? `${streams[0]} and ${streams.length - 1} more streams` : streams[0]
    const size = `${uncounted ? 'more than ' : ''}${entries} entries, about ${(bytes / 1e6).toFixed(1)} MB`
    const what = needs.every(({ exists }) => exists)
      ? `No worker reads the group ${group} of ${where}: it has made no progress for ${minutes(this.options.afterMs)}`
      : `The sink ${group} has no consumer group in ${where} yet, and there are entries for it`
    return `${what}. Entries from ${new Date(oldest).toISOString()} on are kept for it: ${size}. ${this.#remedy(group, where)}`
  }

  #remedy(group: string, where = ''): string {
    if (!this.options.sinks.includes(group)) {
      return `Start the software that reads it, or remove it from each stream: XGROUP DESTROY ${where.split(' ')[0]} ${group}`
    }
    return `Start its worker (\`tributary start --help\` lists those of this version), or set SINKS_NOT_RUN=${group} if its events are not wanted`
  }
}

function placeOf({ group, stream }: Need): string {
  return `${group} ${stream}`
}

function minutes(ms: number): string {
  return ms < 60_000 ? `${ms} ms` : `${Math.round(ms / 60_000)} min`
}
