import { EDGE, type Origin, parseOrigin } from './origin.js'

/** One accepted request, before it has a place in the log. */
export interface NewEntry {
  /** Name of the contract that it came in by. */
  readonly source: string
  /** The sender's id of this delivery; empty where it gave none. */
  readonly delivery: string
  /** W3C `traceparent`; empty where the request is not traced. */
  readonly trace: string
  /** The raw bytes as received. */
  readonly body: Buffer
}

/** One accepted request in the log. */
export interface Entry extends NewEntry {
  readonly partition: number
  /** `<milliseconds of receipt>-<sequence>`. */
  readonly id: string
  /** Where it stood at first; only a redriven one has it. */
  readonly origin?: Origin
}

/** A stream's reply: id, and names and values in turn; `null` where the entry has been deleted since. */
export type RawEntry = readonly [Buffer, readonly Buffer[] | null]

/** What `append.lua` takes of an entry, in its order. */
export function toFields(entry: NewEntry): [string, string, string, Buffer] {
  return [entry.source, entry.delivery, entry.trace, entry.body]
}

/**
 * Reads an entry. Its fields are always source, delivery, trace, origin, body: a stream stores repeated names once
 * a node, and here they are found by position.
 */
export function fromReply(partition: number, [id, fields]: RawEntry): Entry | undefined {
  if (!fields) return undefined
  const [, source, , delivery, , trace, , origin, , body] = fields
  return {
    partition,
    id: id.toString('latin1'),
    source: source?.toString() ?? '',
    delivery: delivery?.toString() ?? '',
    trace: trace?.toString() ?? '',
    body: body ?? Buffer.alloc(0),
    ...(origin && origin.length > 0 && { origin: parseOrigin(origin.toString()) }),
  }
}

/** When an entry was received, in milliseconds since 1970. */
export function receivedAt(entryId: string): number {
  return Number(entryId.slice(0, entryId.indexOf('-')))
}

/** Whether one id of a stream is lower than another; `<milliseconds>` alone is the first of its millisecond. */
export function isBefore(a: string, b: string): boolean {
  const [aMs = 0, aSequence = 0] = a.split('-').map(Number)
  const [bMs = 0, bSequence = 0] = b.split('-').map(Number)
  return aMs === bMs ? aSequence < bSequence : aMs < bMs
}

/** Whether an entry is for a sink: all are, but a redriven one is for that alone which could not take it. */
export function isFor({ origin }: Entry, sink: string): boolean {
  return origin === undefined || origin.sink === EDGE || origin.sink === sink
}

/**
 * Where an event stands in the log; of a redriven entry where it stood at first.
 * @param index the event's place in the entry, from 0
 */
export function placeOf(
  { partition, id, origin }: Entry,
  index: number,
): { readonly partition: number; readonly entryId: string; readonly index: number } {
  if (!origin) return { partition, entryId: id, index }
  return {
    partition: origin.partition,
    entryId: origin.entryId,
    index: (origin.index ?? 0) + index,
  }
}
