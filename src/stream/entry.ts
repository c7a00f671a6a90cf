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
}

/** A stream's reply: id, and names and values in turn; `null` where the entry has been deleted since. */
export type RawEntry = readonly [Buffer, readonly Buffer[] | null]

/** The fields of an entry are always these, in this order: a stream stores repeated names once a node. */
export function toFields(entry: NewEntry): [string, string, string, Buffer] {
  return [entry.source, entry.delivery, entry.trace, entry.body]
}

/** Reads an entry. Fields are found by position, as {@link toFields} wrote them. */
export function fromReply(partition: number, [id, fields]: RawEntry): Entry | undefined {
  if (!fields) return undefined
  const [, source, , delivery, , trace, , body] = fields
  return {
    partition,
    id: id.toString('latin1'),
    source: source?.toString() ?? '',
    delivery: delivery?.toString() ?? '',
    trace: trace?.toString() ?? '',
    body: body ?? Buffer.alloc(0),
  }
}

/** When an entry was received, in milliseconds since 1970. */
export function receivedAt(entryId: string): number {
  return Number(entryId.slice(0, entryId.indexOf('-')))
}
