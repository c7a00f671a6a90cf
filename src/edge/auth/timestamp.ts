/** Long enough for milliseconds: their senders are told that these are far away, which helps more than a plain no. */
const DIGITS = /^\d{1,15}$/

/** Whether a header's value is a time in Unix seconds, as whole decimal digits. */
export function isUnixSeconds(text: string): boolean {
  return DIGITS.test(text)
}

/** Whether Unix seconds are within the tolerance of now, both ways. @param now in ms since 1970 */
export function isTimely(seconds: string, toleranceSeconds: number, now: number): boolean {
  return Math.abs(now - Number(seconds) * 1_000) <= toleranceSeconds * 1_000
}
