/** Maximum wait that an answer may ask for, in ms: a wrong date must not stop the client for a year. */
export const MOST_RETRY_AFTER_MS = 3_600_000

const SECONDS = /^\d+(?:\.\d+)?$/
/** The three forms of RFC 9110; `Date.parse` alone would accept nearly anything. */
const DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
]

/**
 * Reads a `Retry-After` header: seconds, or an HTTP date.
 * @param date the answer's `Date` header: with it a date counts by the clock of the server
 * @param now in ms since 1970; used where there is no `Date`
 * @returns ms from now, from above 0 up to {@link MOST_RETRY_AFTER_MS}; `undefined` where the header says nothing usable
 */
export function parseRetryAfter(
  value: string | undefined,
  date: string | undefined,
  now: number,
): number | undefined {
  const text = value?.trim() ?? ''
  const ms = SECONDS.test(text) ? Number(text) * 1_000 : until(text, parseDate(date?.trim() ?? '') ?? now)
  return ms !== undefined && ms > 0 ? Math.min(ms, MOST_RETRY_AFTER_MS) : undefined
}

function until(text: string, now: number): number | undefined {
  const moment = parseDate(text)
  return moment === undefined ? undefined : moment - now
}

function parseDate(text: string): number | undefined {
  if (!DATES.some((form) => form.test(text))) return undefined
  const moment = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`)
  return Number.isNaN(moment) ? undefined : moment
}
