import type { PartitionKeys } from '../keys.js'
import type { RedisClient } from '../redis.js'
import { loadScript } from '../scripts.js'

const discard = loadScript('discard')

/** Approximate number of traces kept in each partition; they take 10 MB. */
const TRACES = 100_000

/** Who discards, and why; kept in the trace. */
export interface Discarding {
  readonly by: string
  readonly because: string
}

/** Letters of a partition from one id to another, both included, oldest first. */
export interface LetterRange {
  readonly from: string
  readonly to: string
  readonly most: number
}

/**
 * Removes letters for good and keeps a trace of each, without its message and body. One atomic call.
 * @param overBytes removes letters only if they take more memory than this, in bytes
 * @returns how many were removed; letters that no longer exist are skipped
 */
export async function discardLetters(
  redis: RedisClient,
  { dead, discarded }: PartitionKeys,
  ranges: readonly LetterRange[],
  { by, because }: Discarding,
  overBytes?: number,
): Promise<number> {
  const args = ranges.flatMap(({ from, to, most }) => [from, to, most])
  return Number(await discard(redis, [dead, discarded], [TRACES, overBytes ?? '', by, because, ...args]))
}

/** The trace of a discarded letter. */
export interface Trace {
  /** `<partition>/<id>` of the letter. */
  readonly letter: string
  /** When it was discarded, in milliseconds since 1970. */
  readonly at: number
  readonly by: string
  readonly because: string
  readonly reason: string
  readonly sink: string
  readonly source: string
  /** Correlation or event id. */
  readonly event: string
}

/** The newest traces of all partitions, newest first. */
export async function readTraces(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  most: number,
): Promise<Trace[]> {
  const parts = await Promise.all(
    partitions.map(async ({ partition, discarded }) => {
      const page = await redis.xrevrange(discarded, '+', '-', 'COUNT', most)
      return page.map(([id, fields]) => toTrace(partition, id, fields))
    }),
  )
  return parts
    .flat()
    .sort((a, b) => b.at - a.at)
    .slice(0, most)
}

function toTrace(partition: number, id: string, fields: readonly string[]): Trace {
  const of = (name: string) => fields[fields.indexOf(name) + 1] ?? ''
  return {
    letter: `${partition}/${of('letter')}`,
    at: Number.parseInt(id, 10),
    by: of('by'),
    because: of('because'),
    reason: of('reason'),
    sink: of('sink'),
    source: of('source'),
    event: of('event'),
  }
}
