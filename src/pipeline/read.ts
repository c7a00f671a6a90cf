import { isUtf8 } from 'node:buffer'
import type { Contract } from '../../schemas/contract.js'
import { explain, type Shape } from '../../schemas/shape.js'
import { type Reason, RejectedError } from '../errors.js'
import { parseExactly } from '../state/json.js'
import { elementsOf, findString, holdsNumber, type LongNumbers, longNumbers } from './json.js'

/** Index of a rejection of the whole request. */
export const WHOLE_REQUEST = -1

/** The rejections of nearly every request. */
export const NONE: ReadonlyMap<number, RejectedError> = new Map()

/**
 * Most events of a request whose errors are all named, which costs 30 us each. A redrive names those of the others: it
 * reads one event at a time.
 */
const MOST_EXPLAINED = 1_000
const UNEXPLAINED =
  'It does not have the shape of its contract; `tributary dead redrive --dry-run` names its errors. ' +
  `They were named for the first ${MOST_EXPLAINED} bad events of this request`

/** The events of a request, read one by one. */
export interface Reading<T> {
  /** What was made of the events that could be read, in order. */
  readonly made: readonly T[]
  /** The errors of the other events by their index, or {@link WHOLE_REQUEST}. */
  readonly rejected: ReadonlyMap<number, RejectedError>
}

/**
 * Reads the events of a request: checks each, and turns numbers sent as text into numbers where the contract allows it.
 * No content of a body makes it throw, and one bad event of an array does not affect the others.
 * @param alone whether the body is one event of an array instead of the whole request
 * @param make called with each event that has its contract's shape; if it throws a RejectedError, that event is rejected
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
    // Valid UTF-8 can have half a surrogate pair only as an escape.
    const mayHaveHalves = text.includes('\\u') && /\\u[dD][89a-fA-F]/.test(text)
    const exactly = holdsNumber(value)
      ? exactReader(text, body, alone ? undefined : contract.list)
      : undefined
    const isEvent = contract.event === contract.body
    const checkShape = (event: unknown) => {
      if (rejected === undefined || rejected.size < MOST_EXPLAINED || hasShape(contract.event, event)) return
      throw new RejectedError('invalid_event', UNEXPLAINED)
    }
    const events = alone ? [value] : contract.events(shaped(contract.body, value, 'invalid_body'))
    for (const [index, event] of events.entries()) {
      attempt(index, () => {
        if (mayHaveHalves) checkUnicode(event)
        checkShape(event)
        const exact = exactly?.(index)
        if (exact !== undefined) made.push(make(shapedExactly(contract.event, event, exact), index))
        else made.push(make(isEvent ? event : shaped(contract.event, event, 'invalid_event'), index))
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

function hasShape(shape: Shape, value: unknown): boolean {
  return shape.matches(value) || shape.matches(shape.coerce(value))
}

/** @throws RejectedError with all errors when a value does not have the shape and cannot be coerced into it */
function shaped(shape: Shape, value: unknown, reason: Reason): unknown {
  if (shape.matches(value)) return value
  const coerced = shape.coerce(value)
  if (coerced !== value && shape.matches(coerced)) return coerced
  const errors = shape.errors(coerced)
  throw new RejectedError(reason, explain(errors), { errors })
}

/** Checks what a schema cannot. @throws RejectedError when a string is not valid Unicode text */
function checkUnicode(event: unknown): void {
  if (findString(event, (text) => !text.isWellFormed()) !== undefined) {
    throw invalid('A string holds half a surrogate pair, which is no Unicode text', 'unicode')
  }
}

/** An event with its whole numbers beyond 2^53 as bigints. */
interface Exact {
  readonly event: unknown
  /** The first of these numbers. */
  readonly number: string
}

/**
 * Returns the function that reads an event again, by its index, where JSON.parse has changed a number of it;
 * `undefined` where it has not. That function throws a RejectedError where nothing keeps the number.
 */
function exactReader(text: string, body: Buffer, list: string | undefined) {
  const numbers = longNumbers(text)
  if (numbers === undefined) return undefined
  if (list === undefined) return () => readExactly(text, numbers)
  const elements = elementsOf(body, list)
  return (index: number) => {
    const element = elements[index]?.toString() ?? ''
    return readExactly(element, longNumbers(element))
  }
}

/** @throws RejectedError when there is a number that would be stored as a different one */
function readExactly(text: string, numbers: LongNumbers | undefined): Exact | undefined {
  if (numbers?.inexact !== undefined) throw imprecise(numbers.inexact)
  return numbers?.large === undefined ? undefined : { event: parseExactly(text), number: numbers.large }
}

/** As {@link shaped}. Where only the exact event does not have the shape, the contract cannot use such a number. */
function shapedExactly(shape: Shape, rounded: unknown, { event, number }: Exact): unknown {
  try {
    return shaped(shape, event, 'invalid_event')
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error
    shaped(shape, rounded, 'invalid_event')
    throw imprecise(number)
  }
}

function imprecise(number: string): RejectedError {
  const shown = number.slice(0, 100)
  return invalid(`A number is beyond double precision, and would be changed: ${shown}`, 'precision')
}

function invalid(msg: string, type: string): RejectedError {
  return new RejectedError('invalid_event', msg, { errors: [{ loc: [], msg, type }] })
}
