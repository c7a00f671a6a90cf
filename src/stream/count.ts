import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const count = loadScript('count')

/** Entries that one call counts; it blocks Redis for about 3 ms. */
const PAGE = 1_000

/** The count of a part of a stream. */
export interface Count {
  /** The id of its first entry; `undefined` when there is none. */
  readonly first: string | undefined
  /** The id of the last one that was counted. */
  readonly last: string | undefined
  /** Entries by the value of the requested field; without a field, all are counted under ''. */
  readonly counts: ReadonlyMap<string, number>
  /** Whether the end of the stream was reached. */
  readonly complete: boolean
}

/**
 * Counts a stream's entries after an id, exactly. Costs Redis 3 ms for 1,000 entries of 600 bytes, in calls of that
 * length. Only the counts cross the network.
 * @param after the count begins after this id; `undefined`: at the start
 * @param field name of the field to count by
 * @param pages maximum number of calls; the count may then be incomplete
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
