import type { Entry } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'

/** The consumer that holds the entries, and its lease. */
interface LeaseOptions {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
}

/** Pending entries that Redis may have for this consumer beyond those in flight: their replies were lost. */
const LOST = 1_000

/**
 * The entries that a consumer has read and not acknowledged. Their idle time is reset three times per lease, so that a
 * consumer with long work or retries does not look dead.
 */
export class InFlightEntries {
  readonly #options: LeaseOptions
  readonly #ids: Map<number, Set<string>>
  readonly #timer: NodeJS.Timeout

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#ids = new Map(options.partitions.map(({ partition }) => [partition, new Set<string>()]))
    this.#timer = setInterval(() => void this.#renew(), options.leaseMs / 3)
    this.#timer.unref()
  }

  add(entries: readonly Entry[]): void {
    for (const { partition, id } of entries) this.#ids.get(partition)?.add(id)
  }

  remove(entries: readonly Entry[]): void {
    for (const { partition, id } of entries) this.#ids.get(partition)?.delete(id)
  }

  has(partition: number, id: string): boolean {
    return this.#ids.get(partition)?.has(id) ?? false
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** A failed renewal costs at most a second delivery. */
  async #renew(): Promise<void> {
    const { redis, partitions } = this.#options
    if (redis.status !== 'ready') return
    await Promise.all(partitions.map((keys) => this.#renewOne(keys).catch(() => undefined)))
  }

  /**
   * Renews only entries that are still this consumer's: XCLAIM alone would take back entries that another consumer
   * claimed while this process was stopped. JUSTID leaves the delivery count unchanged.
   */
  async #renewOne({ partition, events }: PartitionKeys): Promise<void> {
    const { redis, group, consumer } = this.#options
    const ids = this.#ids.get(partition)
    if (!ids || ids.size === 0) return
    const most = ids.size + LOST
    const pending = (await redis.xpending(events, group, '-', '+', most, consumer)) as [
      string,
      ...unknown[],
    ][]
    const own = pending.map(([id]) => id).filter((id) => ids.has(id))
    if (own.length > 0) await redis.call('XCLAIM', [events, group, consumer, 0, ...own, 'JUSTID'])
  }
}
