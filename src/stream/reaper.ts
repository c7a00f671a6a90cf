import { type Entry, fromReply } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const claim = loadScript('claim', 'binary')
const retire = loadScript('retire')

/** Steps of ten pending entries in one call; it blocks Redis for 5 ms at most. */
const CALL_STEPS = 500
/** A consumer without pending entries that has been silent for this time is removed, in ms. */
const GONE_MS = 3_600_000

/** The consumer that claims, and its lease. */
export interface ReaperOptions {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
  /** A consumer without pending entries is removed from the group after this time of silence, in ms; default: an hour. */
  readonly goneMs?: number
}

/** A claimed entry, which another consumer read and did not acknowledge. */
export interface StaleEntry {
  readonly entry: Entry
  /** How often it was delivered before; each time its consumer ended, or was silent for a lease. */
  readonly deliveries: number
}

/**
 * Time from the end of a scan until the next one is due: half a lease on average, jittered. An entry's lease may end
 * just after a scan, so the next scan finds the entry at most 1.75 leases after its consumer's last sign of life.
 * @returns milliseconds, between 0.25 and 0.75 leases
 */
export function scanPauseMs(leaseMs: number, random = Math.random): number {
  return (leaseMs / 2) * (0.5 + random())
}

/**
 * Claims entries whose consumer has been silent for a lease: it died before it acknowledged them. Every consumer of a
 * group has a reaper; jitter keeps them from scanning at the same time.
 */
export class Reaper {
  readonly #options: ReaperOptions
  /** Where each stream's scan continues: a scan that always began at the start would never pass many fresh entries. */
  readonly #cursors = new Map<string, string>()
  /** Streams that the current scan has not finished. */
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
   * Claims one entry. Costs a round trip, and one more for each partition without further stale entries.
   * @returns `undefined` at the end of a scan; the next scan is due after about half a lease
   */
  async next(): Promise<StaleEntry | undefined> {
    if (this.#toScan.length === 0) this.#toScan = [...this.#options.partitions]
    for (let keys = this.#toScan[0]; keys; keys = this.#toScan[0]) {
      const stale = await this.#scan(keys)
      if (stale) return stale
      if (this.#cursors.get(keys.events) === '0-0') this.#toScan.shift()
    }
    const { leaseMs } = this.#options
    this.#dueAt = performance.now() + scanPauseMs(leaseMs)
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
      // The next read meets the same error and creates the group.
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
