import { RejectedError } from '../../errors.js'

const TIME = String.raw`\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?`
/** A date, a time, or both, as ISO 8601 writes them. */
const ISO = new RegExp(`^(?:\\d{4}-\\d\\d-\\d\\d(?:[Tt ]${TIME})?|${TIME})$`)
/** What literals of arrays and ranges have between their values. */
const BETWEEN = /[{}[\](),"]+/
/** Values of such literals that are no points in time. */
const NONE = /^(?: *|null|empty)$/i
/** Postgres rounds digits beyond microseconds; everywhere else they are cut off. */
const BEYOND_MICROS = /(\.\d{6})\d+/g
/** Longest quoted value, in characters. */
const LONGEST_QUOTE = 100

/**
 * The text for COPY of a value for a column of dates or times, or of arrays or ranges of them. Postgres evaluates texts
 * such as `now`, `tomorrow` and `261101`, so only ISO 8601 is let through; Postgres checks the rest. Costs 0.1 us.
 * @throws RejectedError where a value is not written as in ISO 8601
 */
export function pointsInTime(value: unknown, name: string): string {
  if (typeof value !== 'string' || !isWritten(value)) {
    const shown = String(typeof value === 'object' ? 'it' : value).slice(0, LONGEST_QUOTE)
    const field = JSON.stringify(name)
    throw new RejectedError(
      'refused_by_store',
      `${field} is a column for dates or times, and ${JSON.stringify(shown)} is none as ISO 8601 writes them; ` +
        'send for example "2026-11-01T09:30:00Z"',
    )
  }
  const point = value.indexOf('.')
  return point === -1 || value.length - point <= 7 ? value : value.replace(BEYOND_MICROS, '$1')
}

function isWritten(text: string): boolean {
  return ISO.test(text) || text.split(BETWEEN).every((one) => ISO.test(one.trim()) || NONE.test(one))
}
