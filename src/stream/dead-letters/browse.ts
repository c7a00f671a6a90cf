import { HEAD_FIELDS } from '../dead-letter.js'
import type { PartitionKeys } from '../keys.js'
import type { RedisClient } from '../redis.js'
import { loadScript } from '../scripts.js'
import { type DeadLetterHead, type DeadLetterRecord, type RawHead, readHead } from './record.js'

const heads = loadScript('heads')

/** Letters in a page; reading one blocks Redis for 3 ms. */
const PAGE = 200
/** Maximum letters, and maximum bytes of their bodies, in memory at once. */
const CHUNK_LETTERS = 100
const CHUNK_BYTES = 4 * 1024 * 1024

/** Selects letters; a condition that is omitted selects all. */
export interface Selection {
  readonly sinks?: readonly string[]
  readonly contracts?: readonly string[]
  readonly reasons?: readonly string[]
  /** Dead-lettered at this time or later, in milliseconds since 1970. */
  readonly since?: number
  /** Dead-lettered at this time or before, in milliseconds since 1970. */
  readonly until?: number
  /** Correlation or event id. */
  readonly key?: string
  /** Only these letters: `<partition>/<id>`. */
  readonly ids?: readonly string[]
}

/**
 * Reads the selected letters without their bodies, partition by partition, oldest first. Letters added to a partition
 * after its read began are skipped, so a redrive does not meet its own letters again. One page is in memory at a time.
 */
export async function* browse(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  selection: Selection,
): AsyncGenerator<DeadLetterHead> {
  for (const keys of partitions) {
    for await (const head of selection.ids
      ? named(redis, keys, selection.ids)
      : range(redis, keys, selection))
      if (isSelected(head, selection)) yield head
  }
}

async function* named(
  redis: RedisClient,
  keys: PartitionKeys,
  ids: readonly string[],
): AsyncGenerator<DeadLetterHead> {
  for (const id of new Set(ids)) {
    const [partition, streamId = ''] = id.split('/')
    if (Number(partition) === keys.partition) yield* await readPage(redis, keys, streamId, streamId)
  }
}

async function* range(
  redis: RedisClient,
  keys: PartitionKeys,
  { since, until }: Selection,
): AsyncGenerator<DeadLetterHead> {
  const [last] = await redis.xrevrange(keys.dead, until ?? '+', '-', 'COUNT', 1)
  if (!last) return
  for (let from = String(since ?? '-'); ; ) {
    const page = await readPage(redis, keys, from, last[0])
    yield* page
    if (page.length < PAGE) return
    from = `(${page.at(-1)?.streamId}`
  }
}

async function readPage(
  redis: RedisClient,
  keys: PartitionKeys,
  from: string,
  to: string,
): Promise<DeadLetterHead[]> {
  const page = (await heads(redis, [keys.dead], [from, to, PAGE, ...HEAD_FIELDS])) as RawHead[]
  return page.map((raw) => readHead(keys.partition, raw))
}

function isSelected(
  head: DeadLetterHead,
  { sinks, contracts, reasons, key, since, until }: Selection,
): boolean {
  return (
    (sinks?.includes(head.sink) ?? true) &&
    (contracts?.includes(head.source) ?? true) &&
    (reasons?.includes(head.reason) ?? true) &&
    (key === undefined || key === head.event) &&
    head.at >= (since ?? 0) &&
    head.at <= (until ?? Number.POSITIVE_INFINITY)
  )
}

/** Reads the bodies of letters, in chunks that fit in memory; letters removed in the meantime are skipped. */
export async function* withBodies(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  letters: AsyncIterable<DeadLetterHead>,
  most = CHUNK_LETTERS,
): AsyncGenerator<DeadLetterRecord[]> {
  let chunk: DeadLetterHead[] = []
  let bytes = 0
  for await (const head of letters) {
    if (chunk.length > 0 && (chunk.length === most || bytes + head.bytes > CHUNK_BYTES)) {
      yield await readBodies(redis, partitions, chunk)
      chunk = []
      bytes = 0
    }
    chunk.push(head)
    bytes += head.bytes
  }
  if (chunk.length > 0) yield await readBodies(redis, partitions, chunk)
}

async function readBodies(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  chunk: readonly DeadLetterHead[],
): Promise<DeadLetterRecord[]> {
  const letters = await Promise.all(
    chunk.map(async (head) => {
      const stream = partitions[head.partition]?.dead ?? ''
      const [found] = await redis.xrangeBuffer(stream, head.streamId, head.streamId)
      const body = found?.[1].at(-1)
      return body ? [{ ...head, body }] : []
    }),
  )
  return letters.flat()
}
