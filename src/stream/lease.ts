import type { Redis } from 'ioredis'
import type { Entry } from './entry.js'
import type { PartitionKeys } from './keys.js'

/** Whose entries, and for how long. */
interface LeaseOptions {
  readonly redis: Redis
  readonly partitions: readonly PartitionKeys[]
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
}

/**
 * The entries that a consumer has read and not settled. While there are any their idle time is reset three
 * times a lease, so that long work and retries do not look like a dead consumer.
 */
export class HeldEntries {
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

  /** JUSTID leaves the delivery count as it is. A renewal that fails costs nothing but a second delivery. */
  async #renew(): Promise<void> {
    const { redis, partitions, group, consumer } = this.#options
    if (redis.status !== 'ready') return
    for (const { partition, events } of partitions) {
      const ids = [...(this.#ids.get(partition) ?? [])]
      if (ids.length > 0)
        await redis.call('XCLAIM', [events, group, consumer, 0, ...ids, 'JUSTID']).catch(() => undefined)
    }
  }
}
