import { setTimeout as sleep } from 'node:timers/promises'
import { type Entry, fromReply, type RawEntry } from '../../src/stream/entry.js'
import type { PartitionKeys } from '../../src/stream/keys.js'
import { createRedis, type RedisClient } from '../../src/stream/redis.js'

/** Entries in one read. */
const PAGE = 500
/** Pause between two looks at a log that has nothing new, in ms. */
const PAUSE_MS = 50

/**
 * An independent record of the log: it reads every partition from its start to its end by ranges, without a group
 * and past every proxy, and remembers each entry, also when it is trimmed from the log later.
 */
export class Observer {
  /** Every entry ever seen, by `<partition>/<id>`. */
  readonly entries = new Map<string, Entry>()
  readonly #redis: RedisClient
  readonly #cursors: Map<PartitionKeys, string>
  readonly #closing = new AbortController()
  readonly #ended: Promise<void>

  constructor(redisUrl: string, partitions: readonly PartitionKeys[]) {
    this.#redis = createRedis(redisUrl, 'patient', () => undefined)
    this.#cursors = new Map(partitions.map((keys) => [keys, '-']))
    this.#ended = this.#watch()
  }

  /** Reads what has been appended until now. */
  async catchUp(): Promise<void> {
    while (await this.#look());
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#redis.disconnect()
    await this.#ended
  }

  async #watch(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      // While Redis is away it is asked again: an id only ever grows, so nothing is left out.
      const more = await this.#look().catch(() => false)
      if (!more) await sleep(PAUSE_MS)
    }
  }

  /** @returns whether there may be more */
  async #look(): Promise<boolean> {
    let more = false
    for (const [keys, cursor] of this.#cursors) {
      const page = await this.#redis.callBuffer('XRANGE', keys.events, cursor, '+', 'COUNT', PAGE)
      for (const raw of page as RawEntry[]) {
        const entry = fromReply(keys.partition, raw)
        if (!entry) continue
        this.entries.set(`${keys.partition}/${entry.id}`, entry)
        this.#cursors.set(keys, `(${entry.id}`)
      }
      more ||= (page as RawEntry[]).length === PAGE
    }
    return more
  }
}
