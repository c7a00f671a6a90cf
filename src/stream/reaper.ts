import type { Redis } from 'ioredis'
import { type Entry, fromReply, type RawEntry } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { HeldEntries } from './lease.js'

/** On whose behalf, and after how long. */
interface ReaperOptions {
  readonly redis: Redis
  readonly partitions: readonly PartitionKeys[]
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
}

/**
 * Takes over entries whose consumer has been silent for a lease: it died between read and ack. Every member of
 * a group has one; jitter keeps them from scanning at the same time.
 */
export class Reaper {
  readonly #options: ReaperOptions
  /** Where the scan of each stream goes on: from the start each time it would never pass many fresh entries. */
  readonly #cursors = new Map<string, string>()
  #dueAt = 0

  constructor(options: ReaperOptions) {
    this.#options = options
  }

  /**
   * Where a scan is due, one step of it in every partition; else nothing, at no cost.
   * @param held entries that are in this consumer's own hands, and stay there
   * @param count most entries taken from a partition, at least 1
   */
  async takeOver(held: HeldEntries, count: number): Promise<Entry[]> {
    if (Date.now() < this.#dueAt) return []
    const taken: Entry[] = []
    let done = true
    for (const keys of this.#options.partitions) {
      taken.push(...(await this.#scan(keys, held, count)))
      if (this.#cursors.get(keys.events) !== '0-0') done = false
    }
    if (done) this.#dueAt = Date.now() + (this.#options.leaseMs / 2) * (0.5 + Math.random())
    return taken
  }

  async #scan({ partition, events }: PartitionKeys, held: HeldEntries, count: number): Promise<Entry[]> {
    const { redis, group, consumer, leaseMs } = this.#options
    const cursor = this.#cursors.get(events) ?? '0-0'
    try {
      const [next, claimed] = (await redis.callBuffer(
        ...(['XAUTOCLAIM', events, group, consumer, leaseMs, cursor, 'COUNT', count] as const),
      )) as [Buffer, (RawEntry | null)[]]
      this.#cursors.set(events, next.toString('latin1'))
      return claimed.flatMap((raw) => {
        const entry = raw ? fromReply(partition, raw) : undefined
        return entry && !held.has(partition, entry.id) ? [entry] : []
      })
    } catch (error) {
      // A read meets the same and creates the group.
      if (!String(error).includes('NOGROUP')) throw error
      this.#cursors.set(events, '0-0')
      return []
    }
  }
}
