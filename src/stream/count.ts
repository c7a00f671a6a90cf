import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const count = loadScript('count')

/** Entries that one call counts: about 3 ms in which Redis does nothing else. */
const PAGE = 1_000

/** What a part of a stream holds. */
export interface Count {
  /** The id of its first entry; `undefined` where it has none. */
  readonly first: string | undefined
  /** The id of the last one that was counted. */
  readonly last: string | undefined
  /** Entries by the value of the field that was asked for; all under '' where none was. */
  readonly counts: ReadonlyMap<string, number>
  /** Whether the end of the stream was reached. */
  readonly complete: boolean
}

/**
 * Counts a stream's entries from a point on, exactly: 3 ms of Redis' time for 1,000 entries of 600 bytes, in
 * calls of that length. Only the counts come over the network.
 * @param after id that the count begins behind; `undefined`: at the start
 * @param pages most calls; the count may stay incomplete then
 */
export async function countEntries(
  redis: RedisClient,
  stream: string,
  after: string | undefined,
  { field = '', pages = Number.POSITIVE_INFINITY }: { readonly field?: string; readonly pages?: number } = {},
): Promise<Count> {
  const counts = new Map<string, number>()
  let [first, last]: (string | undefined)[] = []
  let from = after === undefined ? '-' : `(${after}`
  for (let page = 0; page < pages; page++) {
    const reply = (await count(redis, [stream], [from, PAGE, field])) as [string, string, ...unknown[]]
    const [firstId, lastId, ...pairs] = reply
    let size = 0
    for (let i = 0; i < pairs.length; i += 2) {
      const [value, entries] = [String(pairs[i]), Number(pairs[i + 1])]
      counts.set(value, (counts.get(value) ?? 0) + entries)
      size += entries
    }
    first ??= firstId || undefined
    last = lastId || last
    if (size < PAGE) return { first, last, counts, complete: true }
    from = `(${lastId}`
  }
  return { first, last, counts, complete: false }
}
