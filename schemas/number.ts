/** Matches a number as RFC 8259 writes it. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Most digits with which a double can be written. */
const MOST_DIGITS = 100

/** Reads a number from text; `undefined` where JSON would not write it so, or a double cannot hold it exactly. */
export function readNumber(text: string): number | undefined {
  return JSON_NUMBER.test(text) && isExact(text) ? Number(text) : undefined
}

/**
 * Whether a double can hold a number: its shortest form, or its form with the same number of digits, must be the number
 * again. So a double can hold `0.1`, `0.10000000000000001` (as C prints it) and `9007199254740992`, but not
 * `9007199254740993`, `1e400` or `1e-400`.
 * @param number a number as JSON writes it
 */
export function isExact(number: string): boolean {
  const digits = significantDigits(number)
  const double = Number(number)
  if (double === 0 || digits === '') return double === 0 && digits === ''
  if (!Number.isFinite(double)) return false
  if (withoutZeros(digits) === withoutZeros(significantDigits(String(double)))) return true
  return digits.length <= MOST_DIGITS && significantDigits(double.toExponential(digits.length - 1)) === digits
}

/** The digits without sign, point and exponent, from the first that is not zero. */
function significantDigits(number: string): string {
  return number
    .replace(/[eE].*/, '')
    .replace(/\D/g, '')
    .replace(/^0+/, '')
}

/** Removes zeros at the end. Uses a loop because a regex takes n² steps for n zeros. */
function withoutZeros(digits: string): string {
  let end = digits.length
  while (digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
