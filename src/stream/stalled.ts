import { countEntries } from './count.js'
import { receivedAt } from './entry.js'
import type { RedisClient } from './redis.js'
import type { Need } from './trim.js'

/** Said again after this time, in ms. */
const REPEAT_MS = 3_600_000
/** Up to so many pages of 1,000 entries are counted for a warning: 0.3 s of Redis' time, in steps of 3 ms. */
const COUNTED_PAGES = 100

/** When a group counts as one that nobody reads. */
export interface StallOptions {
  /** Without progress for so long, in ms. */
  readonly afterMs: number
  /** Whoever works on an entry shows it within this time, in ms: LEASE_MS. */
  readonly leaseMs: number
  /** Names of the sinks that this version knows: every other group is somebody else's. */
  readonly sinks: readonly string[]
}

/** What was seen of a need, and since when, on this process's own clock. */
interface Sight {
  readonly need: Need
  readonly since: number
}

/**
 * Names the groups that entries are kept for although nobody reads them: a worker that was switched off, or
 * a group that somebody has left behind. A group whose store is away is none of them: its worker renews its lease.
 * Judged by lack of progress alone, as before Redis 7.2 a consumer that waits for entries looks idle.
 */
export class StallWatch {
  readonly #sights = new Map<string, Sight>()
  readonly #eventTime = new Map<string, number>()

  /** @param warn is told of each such group, once an hour */
  constructor(
    private readonly redis: RedisClient,
    private readonly options: StallOptions,
    private readonly warn: (message: string) => void,
  ) {}

  /**
   * Compares what is needed now with what was needed before.
   * @param needs of all groups in all streams
   * @returns the names of the groups that nobody reads
   * @throws whatever Redis or the connection answers
   */
  async look(needs: readonly Need[]): Promise<string[]> {
    const now = performance.now()
    const before = new Map(this.#sights)
    this.#sights.clear()
    const stalled = new Map<string, Need[]>()
    for (const need of needs) {
      const sight = before.get(placeOf(need))
      const since = sight && this.#stands(sight.need, need) ? sight.since : now
      this.#sights.set(placeOf(need), { need, since })
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

  #stands(before: Need, now: Need): boolean {
    const inHand = now.idleMs !== undefined && now.idleMs <= this.options.leaseMs
    return before.id === now.id && before.exists === now.exists && !inHand
  }

  async #describe(group: string, needs: readonly Need[]): Promise<string> {
    let [entries, bytes, uncounted] = [0, 0, false]
    for (const { stream, id } of needs) {
      const { counts, complete } = await countEntries(this.redis, stream, id, { pages: COUNTED_PAGES })
      const held = 1 + (counts.get('') ?? 0)
      const all = Number((await this.redis.call('MEMORY', 'USAGE', stream)) ?? 0)
      entries += held
      bytes += all * Math.min(1, held / Math.max(1, await this.redis.xlen(stream)))
      uncounted ||= !complete
    }
    const oldest = Math.min(...needs.map(({ id }) => receivedAt(id)))
    const streams = [...new Set(needs.map(({ stream }) => stream))]
    const where = streams.length > 1 ? `${streams[0]} and ${streams.length - 1} more streams` : streams[0]
    const size = `${uncounted ? 'more than ' : ''}${entries} entries, about ${(bytes / 1e6).toFixed(1)} MB`
    const what = needs.every(({ exists }) => exists)
      ? `Nobody reads the group ${group} of ${where}: it has made no progress for ${minutes(this.options.afterMs)}`
      : `The sink ${group} has no consumer group in ${where} yet, and there are entries for it`
    return `${what}. For its sake nothing from ${new Date(oldest).toISOString()} on is removed: ${size}. ${this.#remedy(group, where)}`
  }

  #remedy(group: string, where = ''): string {
    if (!this.options.sinks.includes(group)) {
      return `Run what reads it, or remove it from each stream: XGROUP DESTROY ${where.split(' ')[0]} ${group}`
    }
    return `Start its worker (\`tributary start --help\` lists those of this version), or say SINKS_NOT_RUN=${group} where nobody wants these events there`
  }
}

function placeOf({ group, stream }: Need): string {
  return `${group} ${stream}`
}

function minutes(ms: number): string {
  return ms < 60_000 ? `${ms} ms` : `${Math.round(ms / 60_000)} min`
}
