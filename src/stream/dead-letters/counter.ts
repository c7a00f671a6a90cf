import { countEntries } from '../count.js'
import type { PartitionKeys } from '../keys.js'
import type { RedisClient } from '../redis.js'

/** Up to so many letters are counted anew at each turn: about 3 ms of Redis' time. */
const FEW = 1_000
/** More of them are counted anew no more often than this, in ms: 100,000 letters take 0.3 s of Redis' time. */
const RECOUNT_MS = 60_000

/** What is known of the letters of one partition. */
interface Known {
  readonly counts: ReadonlyMap<string, number>
  readonly total: number
  /** Id of the last one that was counted. */
  readonly last: string
  readonly countedAt: number
}

/**
 * Keeps count of the dead letters by sink, turn by turn. Letters that come are added; that some have gone is told by
 * the length of the stream, and then all are counted again: at once while they are few, once a minute where they are
 * many. Between two such counts letters of a sink that have been redriven or discarded may still be counted.
 */
export class DeadLetterCounter {
  readonly #known = new Map<string, Known>()

  constructor(
    private readonly redis: RedisClient,
    private readonly partitions: readonly PartitionKeys[],
  ) {}

  /** @returns letters by sink (or `edge`) @throws what Redis or the connection answers */
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
    // What came between the two questions makes no difference that lasts: it is noticed at the next turn.
    const gone = total > length
    const due = length <= FEW || performance.now() - before.countedAt > RECOUNT_MS
    if (gone && due) return await this.#recount(dead)
    return { counts, total, last: more.last ?? before.last, countedAt: before.countedAt }
  }

  async #recount(dead: string): Promise<Known> {
    const countedAt = performance.now()
    const { counts, last } = await countEntries(this.redis, dead, undefined, { field: 'sink' })
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
    return { counts, total, last: last ?? '0-0', countedAt }
  }
}
