import { EDGE, formatOrigin, type Origin, parseOrigin } from './origin.js'

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

/**
 * An entry has one field. Its name says what is known beside the body: source, delivery, trace and origin, a line each,
 * without empty ones at the end; mostly it is just `cdc`, which a stream stores once for a whole node. Its value is the
 * body. Every further field would cost Redis, the edge and each worker about half a microsecond an entry.
 */
export function toFields({ source, delivery, trace, body }: NewEntry, origin?: Origin): [string, Buffer] {
  if (origin) return [[source, oneLine(delivery), trace, formatOrigin(origin)].join('\n'), body]
  if (trace !== '') return [`${source}\n${oneLine(delivery)}\n${trace}`, body]
  return [delivery === '' ? source : `${source}\n${oneLine(delivery)}`, body]
}

/** A sender's id is a header's value, which has no line breaks; whoever sends others has them replaced. */
function oneLine(text: string): string {
  return text.includes('\n') ? text.replaceAll('\n', ' ') : text
}

const NOTHING = Buffer.alloc(0)

/** Reads what {@link toFields} made. */
export function fromReply(partition: number, [id, fields]: RawEntry): Entry | undefined {
  if (!fields) return undefined
  const [about, body] = fields
  const text = about?.toString() ?? ''
  const [source = '', delivery = '', trace = '', origin] = text.includes('\n') ? text.split('\n') : [text]
  // Written out: to spread one object into another costs more than all the rest.
  const entry = { partition, id: id.toString('latin1'), source, delivery, trace, body: body ?? NOTHING }
  return origin === undefined ? entry : { ...entry, origin: parseOrigin(origin) }
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
