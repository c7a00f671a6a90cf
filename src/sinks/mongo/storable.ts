import { RejectedError } from '../../errors.js'
import type { Change } from '../sink.js'
import { isStorable, MOST_DIGITS } from './numbers.js'

/** MongoDB stores 100 levels, of which our bookkeeping may need five. */
const MAX_DEPTH = 95

/**
 * Checks that MongoDB and its driver can store a change and read the same back. Costs a look at every object of the
 * change.
 * @returns why it cannot be stored; `undefined` where it can
 */
export function checkStorable({ state }: Change): RejectedError | undefined {
  for (const [name, { value }] of state.fields) {
    const flaw = flawOfName(name) ?? flawOf(value, 0)
    if (flaw === undefined) continue
    const field = JSON.stringify(name.slice(0, 100))
    const message = `MongoDB cannot store this: its field ${field} ${flaw}; send the event without it and redrive it`
    return new RejectedError('refused_by_store', message)
  }
  return undefined
}

function flawOfName(name: string): string | undefined {
  return name.includes('\0') ? 'has or holds a name with a NUL character' : undefined
}

function flawOf(value: unknown, depth: number): string | undefined {
  if (typeof value === 'bigint' && !isStorable(value))
    return `has a whole number of more than ${MOST_DIGITS} digits`
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`
  if (!Array.isArray(value)) return flawOfObject(value, depth)
  for (const item of value) {
    const flaw = flawOf(item, depth + 1)
    if (flaw !== undefined) return flaw
  }
  return undefined
}

function flawOfObject(object: object, depth: number): string | undefined {
  if (Object.hasOwn(object, '_bsontype'))
    return 'holds the name "_bsontype", which the driver keeps for itself'
  if (Object.hasOwn(object, '$ref') && Object.hasOwn(object, '$id')) {
    return 'holds "$ref" beside "$id", which drivers read as a reference and not as data'
  }
  for (const [name, value] of Object.entries(object)) {
    const flaw = flawOfName(name) ?? flawOf(value, depth + 1)
    if (flaw !== undefined) return flaw
  }
  return undefined
}
