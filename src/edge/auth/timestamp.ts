/** Long enough for milliseconds: their senders then learn that the time is far off, not only that it is invalid. */
const DIGITS = /^\d{1,15}$/

/** Whether a header's value is a time in Unix seconds, as whole decimal digits. */
export function isUnixSeconds(text: string): boolean {
  return DIGITS.test(text)
}

/** Whether Unix seconds are within the tolerance of now, both ways. @param now in ms since 1970 */
export function isTimely(seconds: string, toleranceSeconds: number, now: number): boolean {
  return Math.abs(now - Number(seconds) * 1_000) <= toleranceSeconds * 1_000
}
