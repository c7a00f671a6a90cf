import { countEntries } from '../count.js'
import type { PartitionKeys } from '../keys.js'
import type { RedisClient } from '../redis.js'

/** Up to this many letters are recounted at every call; costs Redis about 3 ms. */
const FEW = 1_000
/** More letters are recounted after this time at the earliest, in ms: 100,000 letters cost Redis 0.3 s. */
const RECOUNT_MS = 60_000

/** The last count of one partition's letters. */
interface Known {
  readonly counts: ReadonlyMap<string, number>
  readonly total: number
  /** Id of the last one that was counted. */
  readonly last: string
  readonly countedAt: number
}

/**
 * Counts the dead letters by sink. Each call adds the new letters. The stream's length shows whether letters were removed;
 * then all are recounted: at once if they are few, once a minute if they are many. Between two recounts, letters that
 * were redriven or discarded may still be counted.
 */
export class DeadLetterCounter {
  readonly #known = new Map<string, Known>()

  constructor(
    private readonly redis: RedisClient,
    private readonly partitions: readonly PartitionKeys[],
  ) {}

  /** @returns letters by sink (or `edge`) @throws the error of Redis or the connection */
  async count(): Promise<Map<string, number>> {
    const all = new Map<string, number>()
    for (const { dead } of this.partitions) {
      const known = await this.#update(dead)
      this.#known.set(dead, known)
      for (const [sink, count] of known.counts) all.set(sink, (all.get(sink) ?? 0) + count)
    }
    return all
  }

  async #update(dead: string): Promise<Known> {
    const length = await this.redis.xlen(dead)
    const before = this.#known.get(dead)
    if (before === undefined) return await this.#recount(dead)
    const more = await countEntries(this.redis, dead, before.last, { field: 'sink' })
    const counts = new Map(before.counts)
    for (const [sink, count] of more.counts) counts.set(sink, (counts.get(sink) ?? 0) + count)
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    // Letters added between the two commands make no lasting difference: the next call notices removals.
    const removed = total > length
    const due = length <= FEW || performance.now() - before.countedAt > RECOUNT_MS
    if (removed && due) return await this.#recount(dead)
    return { counts, total, last: more.last ?? before.last, countedAt: before.countedAt }
  }

  async #recount(dead: string): Promise<Known> {
    const countedAt = performance.now()
    const { counts, last } = await countEntries(this.redis, dead, undefined, { field: 'sink' })
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    return { counts, total, last: last ?? '0-0', countedAt }
  }
}
