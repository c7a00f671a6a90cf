import { EDGE, formatOrigin, type Origin, parseOrigin } from './origin.js'

/** One accepted request before it is in the log. */
export interface NewEntry {
  /** Name of the contract of the request. */
  readonly source: string
  /** The sender's id of this delivery; empty when it gave none. */
  readonly delivery: string
  /** W3C `traceparent`; empty when the request is not traced. */
  readonly trace: string
  /** The raw bytes as received. */
  readonly body: Buffer
}

/** One accepted request in the log. */
export interface Entry extends NewEntry {
  readonly partition: number
  /** `<milliseconds of receipt>-<sequence>`. */
  readonly id: string
  /** Its original place; only a redriven entry has it. */
  readonly origin?: Origin
}

/** An entry in a reply: id, then alternating names and values; `null` when the entry has been deleted. */
export type RawEntry = readonly [Buffer, readonly Buffer[] | null]

/**
 * Makes the one field of an entry. The field's name holds the metadata: source, delivery, trace and origin, one per line,
 * without empty lines at the end. Mostly it is just `cdc`, which a stream stores once per node. The field's value is the
 * body. Each further field would cost Redis, the edge and each worker about half a microsecond per entry.
 */
export function toFields({ source, delivery, trace, body }: NewEntry, origin?: Origin): [string, Buffer] {
  if (origin) return [[source, oneLine(delivery), trace, formatOrigin(origin)].join('\n'), body]
  if (trace !== '') return [`${source}\n${oneLine(delivery)}\n${trace}`, body]
  return [delivery === '' ? source : `${source}\n${oneLine(delivery)}`, body]
}

/** A sender's id is a header value and so has no line breaks; any in other ids are replaced with spaces. */
function oneLine(text: string): string {
  return text.includes('\n') ? text.replaceAll('\n', ' ') : text
}

const NOTHING = Buffer.alloc(0)

/** Reads the field that {@link toFields} made. @returns `undefined` when the entry has been deleted */
export function fromReply(partition: number, [id, fields]: RawEntry): Entry | undefined {
  if (!fields) return undefined
  const [metadata, body] = fields
  const text = metadata?.toString() ?? ''
  const [source = '', delivery = '', trace = '', origin] = text.includes('\n') ? text.split('\n') : [text]
  // Written out: spreading one object into another costs more than everything else here.
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

/** Whether an entry is for a sink. A redriven entry is only for the sink that rejected it; any other is for all sinks. */
export function isFor({ origin }: Entry, sink: string): boolean {
  return origin === undefined || origin.sink === EDGE || origin.sink === sink
}

/**
 * The place of an event in the log; for a redriven entry, its original place.
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
