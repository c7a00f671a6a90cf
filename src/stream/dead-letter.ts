import type { Reason, ValidationError } from '../errors.js'
import { MANIFEST } from '../manifest.js'
import { eventIdOf } from './dead-letters/event-id.js'
import type { NewEntry } from './entry.js'
import { EDGE } from './origin.js'

/** An event or request that cannot be delivered as it is, kept with everything that explains why. */
export interface DeadLetter {
  readonly reason: Reason
  /** The exact cause, for people. */
  readonly message: string
  /** Each validation error, where the shape is wrong. */
  readonly errors: readonly ValidationError[]
  /** The sink that rejected it, or {@link EDGE}. */
  readonly sink: string
  /** Name of the contract. */
  readonly source: string
  /** The entry that it came from, `<partition>/<entry id>`; empty for a letter from the edge. */
  readonly entry: string
  /** The event's place in its request, from 0; `undefined`: the request as a whole. */
  readonly index: number | undefined
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  readonly delivery: string
  readonly trace: string
  /** How often it has been dead-lettered, this time included: each redrive that fails adds one. */
  readonly attempts: number
  /** When it was dead-lettered for the first time, in milliseconds since 1970. */
  readonly firstAt: number
  /** The raw bytes: of the request, or of one event of an array. */
  readonly body: Buffer
}

/** The only status of a letter: redriving or discarding it removes it. */
export const STATUS = 'pending_inspection'

/** The fields of a letter's record except the last one, `body`: their names in order, and the value of each. */
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
  // The worker does not parse a body that may have crashed the worker before it.
  event: ({ reason, body }) => (reason === 'poison' ? '' : eventIdOf(body)),
  trace: ({ trace }) => trace,
  attempts: ({ attempts }) => String(attempts),
  first: ({ firstAt }) => String(firstAt),
  version: () => MANIFEST.version,
  status: () => STATUS,
} satisfies Record<string, (letter: DeadLetter) => string>

/** Names of the fields of a letter's record except the last one, `body`; the order never changes. */
export const HEAD_FIELDS = Object.keys(RECORD) as readonly (keyof typeof RECORD)[]

/** The letters as arguments of `dead-letter.lua`: the number of fields, their names, then the values letter by letter. */
export function letterArguments(letters: readonly DeadLetter[]): (string | number | Buffer)[] {
  const names = [...HEAD_FIELDS, 'body']
  const values = letters.flatMap((letter) => [
    ...HEAD_FIELDS.map((name) => RECORD[name](letter)),
    letter.body,
  ])
  return [names.length, ...names, ...values]
}

/** Makes the letter for a request that the edge refuses. */
export function letterFromEdge(
  received: NewEntry,
  { reason, message, errors }: Pick<DeadLetter, 'reason' | 'message' | 'errors'>,
): DeadLetter {
  const now = Date.now()
  const nowhere = { sink: EDGE, entry: '', index: undefined }
  return { ...received, reason, message, errors, ...nowhere, receivedAt: now, attempts: 1, firstAt: now }
}
