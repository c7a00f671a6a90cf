import type { Reason, ValidationError } from '../errors.js'
import { MANIFEST } from '../manifest.js'
import { eventIdOf } from './dead-letters/event-id.js'
import type { NewEntry } from './entry.js'
import { EDGE } from './origin.js'

/** Something that was received and can never be delivered as it is, kept with all that explains it. */
export interface DeadLetter {
  readonly reason: Reason
  /** What exactly, for a person. */
  readonly message: string
  /** All that is wrong, one by one, where that is a matter of shape. */
  readonly errors: readonly ValidationError[]
  /** The sink that could not take it, or {@link EDGE}. */
  readonly sink: string
  /** Name of the contract. */
  readonly source: string
  /** The entry that it came from, `<partition>/<entry id>`; empty from the edge. */
  readonly entry: string
  /** The event's place in its request, from 0; `undefined`: the request as a whole. */
  readonly index: number | undefined
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  readonly delivery: string
  readonly trace: string
  /** How often it has been dead-lettered, with this time: one more with each redrive that fails. */
  readonly attempts: number
  /** When for the first time, in milliseconds since 1970. */
  readonly firstAt: number
  /** The raw bytes: of the request, or of one event of an array. */
  readonly body: Buffer
}

/** Nobody has looked at it yet: the only state that a letter has, as it goes when it is redriven or discarded. */
export const STATUS = 'pending_inspection'

/** The fields of a letter's record but for the last one, `body`: their names in order, and how a letter fills them. */
const RECORD = {
  reason: ({ reason }) => reason,
  message: ({ message }) => message,
  errors: ({ errors }) => JSON.stringify(errors),
  sink: ({ sink }) => sink,
  source: ({ source }) => source,
  entry: ({ entry }) => entry,
  index: ({ index }) => String(index ?? ''),
  received: ({ receivedAt }) => String(receivedAt),
  delivery: ({ delivery }) => delivery,
  // The worker does not open a body that may be what ended the worker before it.
  event: ({ reason, body }) => (reason === 'poison' ? '' : eventIdOf(body)),
  trace: ({ trace }) => trace,
  attempts: ({ attempts }) => String(attempts),
  first: ({ firstAt }) => String(firstAt),
  version: () => MANIFEST.version,
  status: () => STATUS,
} satisfies Record<string, (letter: DeadLetter) => string>

/** Names of the fields of a letter's record but for the last one, `body`; always the same in the same order. */
export const HEAD_FIELDS = Object.keys(RECORD) as readonly (keyof typeof RECORD)[]

/** What `dead-letter.lua` takes of letters: the number of fields, their names, then the values of each letter in turn. */
export function letterArguments(letters: readonly DeadLetter[]): (string | number | Buffer)[] {
  const names = [...HEAD_FIELDS, 'body']
  const values = letters.flatMap((letter) => [
    ...HEAD_FIELDS.map((name) => RECORD[name](letter)),
    letter.body,
  ])
  return [names.length, ...names, ...values]
}

/** The letter about a request that the edge refuses. */
export function letterFromEdge(
  received: NewEntry,
  { reason, message, errors }: Pick<DeadLetter, 'reason' | 'message' | 'errors'>,
): DeadLetter {
  const now = Date.now()
  const nowhere = { sink: EDGE, entry: '', index: undefined }
  return { ...received, reason, message, errors, ...nowhere, receivedAt: now, attempts: 1, firstAt: now }
}
