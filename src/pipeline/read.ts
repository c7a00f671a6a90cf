import { isUtf8 } from 'node:buffer'
import type { Contract } from '../../schemas/contract.js'
import { explain, type Shape } from '../../schemas/shape.js'
import { type Reason, RejectedError } from '../errors.js'
import { elementsOf, findString, holdsNumber, inexactNumber } from './json.js'

/** Index of a rejection that concerns the whole request. */
export const WHOLE_REQUEST = -1

/** Of nearly every request. */
export const NONE: ReadonlyMap<number, RejectedError> = new Map()

/** What a request means, event by event. */
export interface Reading<T> {
  /** What was made of the events that could be read, in order. */
  readonly made: readonly T[]
  /** The others by their index, or {@link WHOLE_REQUEST}. */
  readonly rejected: ReadonlyMap<number, RejectedError>
}

/**
 * Reads the events of a request: each is checked, and numbers that came as text are numbers where the contract
 * allows that. Never throws for what a body contains, and one bad event of an array does not harm its neighbours.
 * @param alone whether the body is one event of an array, and not the request that it came in
 * @param make is given each event that has its contract's shape; a RejectedError rejects that event
 */
export function readEvents<T>(
  contract: Contract,
  body: Buffer,
  alone: boolean,
  make: (event: unknown, index: number) => T,
): Reading<T> {
  const made: T[] = []
  let rejected: Map<number, RejectedError> | undefined
  const attempt = (index: number, work: () => void) => {
    try {
      work()
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error
      rejected ??= new Map()
      rejected.set(index, error)
    }
  }
  attempt(WHOLE_REQUEST, () => {
    const text = readText(body)
    const value = parseJson(text)
    // Half a surrogate pair can only come from an escape.
    const mayHaveHalves = text.includes('\\u') && /\\u[dD][89a-fA-F]/.test(text)
    const inexactIn = holdsNumber(value)
      ? findInexact(text, body, alone ? undefined : contract.list)
      : () => undefined
    const isEvent = contract.event === contract.body
    const events = alone ? [value] : contract.events(shaped(contract.body, value, 'invalid_body'))
    for (const [index, event] of events.entries()) {
      attempt(index, () => {
        if (mayHaveHalves) checkUnicode(event)
        checkNumber(inexactIn(index))
        made.push(make(isEvent ? event : shaped(contract.event, event, 'invalid_event'), index))
      })
    }
  })
  return { made, rejected: rejected ?? NONE }
}

function readText(body: Buffer): string {
  if (!isUtf8(body)) throw new RejectedError('malformed_json', 'The body is not UTF-8')
  return body.toString()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RejectedError('malformed_json', String(error))
  }
}

/** @throws RejectedError with all errors, where a value has not the shape and cannot be coerced into it */
function shaped(shape: Shape, value: unknown, reason: Reason): unknown {
  if (shape.matches(value)) return value
  const coerced = shape.coerce(value)
  if (coerced !== value && shape.matches(coerced)) return coerced
  const errors = shape.errors(coerced)
  throw new RejectedError(reason, explain(errors), { errors })
}

/** What no schema can see. @throws RejectedError where a string is no Unicode text */
function checkUnicode(event: unknown): void {
  if (findString(event, (text) => !text.isWellFormed()) !== undefined) {
    throw invalid('A string holds half a surrogate pair, which is no Unicode text', 'unicode')
  }
}

/** Tells the number in an event, by its index, that a double cannot hold. The value no longer shows it. */
function findInexact(text: string, body: Buffer, list: string | undefined) {
  const inexact = inexactNumber(text)
  if (inexact === undefined || list === undefined) return () => inexact
  const elements = elementsOf(body, list)
  return (index: number) => inexactNumber(elements[index]?.toString() ?? '')
}

/** @throws RejectedError where there is a number: it would be stored as another one */
function checkNumber(inexact: string | undefined): void {
  if (inexact === undefined) return
  const shown = inexact.slice(0, 100)
  throw invalid(`A number is beyond double precision, and would be changed: ${shown}`, 'precision')
}

function invalid(msg: string, type: string): RejectedError {
  return new RejectedError('invalid_event', msg, { errors: [{ loc: [], msg, type }] })
}
