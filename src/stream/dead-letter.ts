import type { Reason } from '../errors.js'

/** Something that was received and can never be delivered as it is, kept with all that explains it. */
export interface DeadLetter {
  readonly reason: Reason
  /** What exactly, for a person. */
  readonly message: string
  /** The sink that could not take it, or `edge`. */
  readonly sink: string
  /** Name of the contract. */
  readonly source: string
  /** The entry that it came from; empty from the edge. */
  readonly entryId: string
  /** The event's place in its request, from 0. */
  readonly index: number
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  readonly delivery: string
  readonly trace: string
  /** The raw bytes of a request; of one event of several its JSON. */
  readonly body: Buffer
}

/** How many values of a script's ARGV a letter takes. */
export const LETTER_FIELDS = 10

/** A letter as names and values; always the same fields in the same order. */
export function letterFields(letter: DeadLetter): (string | Buffer)[] {
  return [
    letter.reason,
    letter.message,
    letter.sink,
    letter.source,
    letter.entryId,
    String(letter.index),
    String(letter.receivedAt),
    letter.delivery,
    letter.trace,
    letter.body,
  ]
}
