/** Character codes. */
const [ZERO, DASH, PLUS, COLON, POINT, SPACE] = [0x30, 0x2d, 0x2b, 0x3a, 0x2e, 0x20]
/** A letter's code with this bit is that of the small letter. */
const SMALL = 0x20
const [SMALL_T, SMALL_Z] = [0x74, 0x7a]
/** Where the seconds end. */
const FRACTION_AT = '2026-11-01T09:30:00'.length
/** The largest offset that Postgres reads is 15:59. */
const MOST_OFFSET_HOURS = 15

/**
 * Reads an RFC 3339 date-time with offset, and the offsets `+0100` and `+01` of ISO 8601. Unlike `Date.parse` it refuses
 * 30 February and keeps microseconds (digits beyond are cut off). A leap second reads as the first moment of the next
 * minute.
 * Costs 0.4 us; a regular expression takes 1 us, and every event is read at the edge and twice by each worker.
 * @returns microseconds since 1970, exact from 1684 to 2255; `undefined` where the text is no such date-time
 */
export function parseTimestamp(text: string): number | undefined {
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 2)
  const day = digits(text, 8, 2)
  const hour = digits(text, 11, 2)
  const minute = digits(text, 14, 2)
  const second = digits(text, 17, 2)
  if (!hasSeparators(text) || !(hour <= 23) || !(minute <= 59) || !(second <= 60)) return undefined
  if (!(year >= 0) || !(month >= 1) || !(day >= 1) || !(day <= daysOf(year, month))) return undefined
  const end = endOfFraction(text)
  const offset = offsetMinutes(text, end)
  if (offset === undefined) return undefined
  const seconds = (hour * 60 + minute - offset) * 60 + second
  return (midnight(year, month, day) + seconds * 1_000) * 1_000 + microsIn(text, end)
}

/** Reads `count` digits as a number; NaN when one of them is not a digit. */
function digits(text: string, at: number, count: number): number {
  let number = 0
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    number = number * 10 + digit
  }
  return number
}

function hasSeparators(text: string): boolean {
  const between = text.charCodeAt(10)
  return (
    text.charCodeAt(4) === DASH &&
    text.charCodeAt(7) === DASH &&
    (between === SPACE || (between | SMALL) === SMALL_T) &&
    text.charCodeAt(13) === COLON &&
    text.charCodeAt(16) === COLON
  )
}

/** Days of a month; NaN for an invalid month. */
function daysOf(year: number, month: number): number {
  if (month !== 2) return month <= 12 ? 30 + ((month + (month >> 3)) & 1) : Number.NaN
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}

/** In ms since 1970. */
function midnight(year: number, month: number, day: number): number {
  // Date.UTC takes the years before 100 for those of the twentieth century.
  return year < 100 ? new Date(0).setUTCFullYear(year, month - 1, day) : Date.UTC(year, month - 1, day)
}

/** Where the digits behind the point end, and the offset begins. */
function endOfFraction(text: string): number {
  if (text.charCodeAt(FRACTION_AT) !== POINT) return FRACTION_AT
  let end = FRACTION_AT + 1
  while (digits(text, end, 1) >= 0) end++
  // A point without digits is neither a fraction nor an offset.
  return end === FRACTION_AT + 1 ? FRACTION_AT : end
}

function microsIn(text: string, end: number): number {
  let micros = 0
  for (let i = FRACTION_AT + 1; i <= FRACTION_AT + 6; i++) {
    micros = micros * 10 + (i < end ? text.charCodeAt(i) - ZERO : 0)
  }
  return micros
}

/** `Z`, `+01:00`, `+0100` or `+01`, and nothing behind it. */
function offsetMinutes(text: string, at: number): number | undefined {
  const first = text.charCodeAt(at)
  if ((first | SMALL) === SMALL_Z) return text.length === at + 1 ? 0 : undefined
  if (first !== PLUS && first !== DASH) return undefined
  const rest = text.length - at
  const minutesAt = text.charCodeAt(at + 3) === COLON ? at + 4 : at + 3
  const hours = digits(text, at + 1, 2)
  const minutes = rest === 3 ? 0 : digits(text, minutesAt, 2)
  if (rest !== 3 && text.length !== minutesAt + 2) return undefined
  if (!(hours <= MOST_OFFSET_HOURS) || !(minutes <= 59)) return undefined
  return (hours * 60 + minutes) * (first === DASH ? -1 : 1)
}

/** Microseconds since 1970 as the RFC 3339 text that Postgres and people read, in UTC with six digits. */
export function formatTimestamp(micros: number): string {
  const millis = Math.floor(micros / 1_000)
  const rest = String(micros - millis * 1_000).padStart(3, '0')
  return new Date(millis).toISOString().replace('Z', `${rest}Z`)
}
