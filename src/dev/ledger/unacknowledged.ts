import { type Entry, fromReply, isBefore, type RawEntry } from '../../stream/entry.js'
import { readGroups } from '../../stream/groups.js'
import type { PartitionKeys } from '../../stream/keys.js'
import type { RedisClient } from '../../stream/redis.js'

/** Entries that are read in one round trip. */
const PAGE = 500

/**
 * Reads which events a group has not read yet, or has read but not acknowledged. Includes events that were redriven and
 * are in flight as another entry.
 * @returns whether an event, given by its entry and index, is one of them
 */
export async function readUnacknowledged(
  group: string,
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
): Promise<(entry: Entry, index: number) => boolean> {
  const lastRead = new Map<number, string>()
  const pending = new Set<string>()
  const redriven = new Set<string>()
  for (const { partition, events } of partitions) {
    const own = (await readGroups(redis, events)).get(group)
    lastRead.set(partition, own ? String(own['last-delivered-id']) : '0-0')
    await eachEntry(redis, events, `(${lastRead.get(partition)}`, '+', partition, (entry) =>
      note(entry, redriven),
    )
    if (!own) continue
    for (let from = '-'; ; ) {
      const page = (await redis.xpending(events, group, from, '+', PAGE)) as [string, ...unknown[]][]
      for (const [id] of page) {
        pending.add(`${partition}/${id}`)
        await eachEntry(redis, events, id, id, partition, (entry) => note(entry, redriven))
      }
      if (page.length < PAGE) break
      from = `(${page.at(-1)?.[0]}`
    }
  }
  return ({ partition, id }, index) => {
    const ref = `${partition}/${id}`
    return (
      pending.has(ref) || isBefore(lastRead.get(partition) ?? '0-0', id) || redriven.has(`${ref} ${index}`)
    )
  }
}

/** Remembers the original entry and index of a redriven event. */
function note({ origin }: Entry, redriven: Set<string>): void {
  if (origin) redriven.add(`${origin.partition}/${origin.entryId} ${origin.index ?? 0}`)
}

async function eachEntry(
  redis: RedisClient,
  stream: string,
  first: string,
  to: string,
  partition: number,
  use: (entry: Entry) => void,
): Promise<void> {
  for (let from = first; ; ) {
    const page = (await redis.callBuffer('XRANGE', stream, from, to, 'COUNT', PAGE)) as RawEntry[]
    const entries = page.flatMap((raw) => fromReply(partition, raw) ?? [])
    entries.forEach(use)
    if (page.length < PAGE) return
    from = `(${entries.at(-1)?.id}`
  }
}
