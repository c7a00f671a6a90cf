import { type Entry, fromReply } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const claim = loadScript('claim', 'binary')
const retire = loadScript('retire')

/** Steps of ten pending entries in one call: 5 ms at most in which Redis does nothing else. */
const CALL_STEPS = 500
/** A consumer that holds nothing and has been silent this long is gone, in ms. */
const GONE_MS = 3_600_000

/** On whose behalf, and after how long. */
export interface ReaperOptions {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
  /** After this time of silence a consumer that holds nothing is removed from the group, in ms; default: an hour. */
  readonly goneMs?: number
}

/** An entry that somebody has read before and not settled. */
export interface StaleEntry {
  readonly entry: Entry
  /** How often it has been delivered before; each time whoever had it ended, or was silent for a lease. */
  readonly deliveries: number
}

/**
 * Takes over entries whose consumer has been silent for a lease: it died between read and ack. Every member of
 * a group has one; jitter keeps them from scanning at the same time.
 */
export class Reaper {
  readonly #options: ReaperOptions
  /** Where the scan of each stream goes on: from the start each time it would never pass many fresh entries. */
  readonly #cursors = new Map<string, string>()
  /** Streams that the scan under way has yet to end. */
  #toScan: PartitionKeys[] = []
  #dueAt = 0

  constructor(options: ReaperOptions) {
    this.#options = options
  }

  /** Whether a scan is due or under way. */
  get due(): boolean {
    return this.#toScan.length > 0 || performance.now() >= this.#dueAt
  }

  /**
   * Takes over one entry. Costs a round trip, and one more for each partition that has no more of them.
   * @returns nothing at the end of a scan; the next is due after half a lease, about
   */
  async next(): Promise<StaleEntry | undefined> {
    if (this.#toScan.length === 0) this.#toScan = [...this.#options.partitions]
    for (let keys = this.#toScan[0]; keys; keys = this.#toScan[0]) {
      const stale = await this.#scan(keys)
      if (stale) return stale
      if (this.#cursors.get(keys.events) === '0-0') this.#toScan.shift()
    }
    const { leaseMs } = this.#options
    this.#dueAt = performance.now() + (leaseMs / 2) * (0.5 + Math.random())
    await this.#removeGone()
    return undefined
  }

  async #scan({ partition, events }: PartitionKeys): Promise<StaleEntry | undefined> {
    const { redis, group, consumer, leaseMs } = this.#options
    const cursor = this.#cursors.get(events) ?? '0-0'
    try {
      const args = [group, consumer, leaseMs, cursor, CALL_STEPS]
      const [next, id, fields, deliveries] = (await claim(redis, [events], args)) as ClaimReply
      this.#cursors.set(events, next.toString('latin1'))
      const entry = id && fields && fromReply(partition, [id, fields])
      return entry ? { entry, deliveries: Number(deliveries) - 1 } : undefined
    } catch (error) {
      // A read meets the same and creates the group.
      if (!String(error).includes('NOGROUP')) throw error
      this.#cursors.set(events, '0-0')
      return undefined
    }
  }

  async #removeGone(): Promise<void> {
    const { redis, partitions, group, consumer, goneMs = GONE_MS } = this.#options
    for (const { events } of partitions) await retire(redis, [events], [group, '', goneMs, consumer])
  }
}

type ClaimReply = readonly [next: Buffer, id?: Buffer, fields?: readonly Buffer[], deliveries?: number]
