/** A number as RFC 8259 writes it. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** More digits than this no double is written with. */
const MOST_DIGITS = 100

/** The number that a text stands for, where JSON would write it so and nothing of it gets lost. */
export function readNumber(text: string): number | undefined {
  return JSON_NUMBER.test(text) && isExact(text) ? Number(text) : undefined
}

/**
 * Whether a double can hold a number: written as briefly as possible, or with as many digits, it is the same. So
 * `0.1`, `0.10000000000000001` (as C prints it) and `9007199254740992` can be held; `9007199254740993`, `1e400`
 * and `1e-400` cannot.
 * @param number as JSON writes it
 */
export function isExact(number: string): boolean {
  const digits = significantDigits(number)
  const double = Number(number)
  if (double === 0 || digits === '') return double === 0 && digits === ''
  if (!Number.isFinite(double)) return false
  if (withoutZeros(digits) === withoutZeros(significantDigits(String(double)))) return true
  return digits.length <= MOST_DIGITS && significantDigits(double.toExponential(digits.length - 1)) === digits
}

/** Without sign, point and exponent, from the first that is not zero. */
function significantDigits(number: string): string {
  return number
    .replace(/[eE].*/, '')
    .replace(/\D/g, '')
    .replace(/^0+/, '')
}

/** Without zeros at the end. In a loop: a regex takes n² steps for n zeros. */
function withoutZeros(digits: string): string {
  let end = digits.length
  while (digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
