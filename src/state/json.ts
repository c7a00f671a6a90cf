/** Numbers that JSON.parse would change, or that are whole and beyond 2^53, have such a run of digits or an exponent. */
const SUSPECT = /\d(?:[\d.]{15}|[eE][+-]?\d{3})/
/** A whole number that is kept exactly. More digits make arithmetic slow, and MongoDB keeps far fewer. */
const WHOLE = /^-?\d{1,1000}$/
/**
 * The first character of a string that stands for a whole number while JSON is parsed or written. No string of an event
 * begins so, because the second half of a surrogate pair alone is no Unicode text.
 */
const MARK = '\udc00'
const WRITTEN_MARK = /"\\udc00(-?\d+)"/g

/** A number in a JSON text. */
interface Found {
  readonly number: string
  readonly at: number
}

/**
 * Whether a text may have numbers that JSON.parse would change, or whole ones beyond 2^53. Costs a search through the
 * text, 0.1 us for 700 B.
 */
export function mayHoldLongNumbers(text: string): boolean {
  return SUSPECT.test(text)
}

/** The long numbers of a JSON text, in order: all that {@link mayHoldLongNumbers} is about. @param text valid JSON */
export function* longNumbersIn(text: string): Generator<Found> {
  // The second kind has at most 15 digits in front of its exponent, so that this takes no more than n steps.
  const token = /"|-?(?:\d[\d.]{15}[\d.eE+-]*|\d[\d.]{0,14}[eE][+-]?\d{3}\d*)/g
  for (let match = token.exec(text); match; match = token.exec(text)) {
    if (match[0] === '"') token.lastIndex = endOfString(text, match.index)
    else yield { number: match[0], at: match.index }
  }
}

/** @returns the place behind the string that begins at `start` */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let escapes = 0
    while (text[quote - 1 - escapes] === '\\') escapes++
    if (escapes % 2 === 0) return quote + 1
  }
}

/**
 * Whether a number of a JSON text is whole, beyond 2^53, and of at most 1,000 digits: {@link parseExactly} makes it a
 * bigint.
 */
export function isLarge(number: string): boolean {
  return WHOLE.test(number) && !Number.isSafeInteger(Number(number))
}

/**
 * As JSON.parse, but whole numbers beyond 2^53 become bigints. Costs nothing more where there are none; else about
 * twice as much.
 * @param text JSON in which no string holds half a surrogate pair
 */
export function parseExactly(text: string): unknown {
  if (!mayHoldLongNumbers(text)) return JSON.parse(text)
  const parts: string[] = []
  let end = 0
  for (const { number, at } of longNumbersIn(text)) {
    if (!isLarge(number)) continue
    parts.push(text.slice(end, at), '"\\udc00', number, '"')
    end = at + number.length
  }
  if (parts.length === 0) return JSON.parse(text)
  return unmarked(JSON.parse(parts.join('') + text.slice(end)))
}

/** Replaces marked strings by bigints, in place. */
function unmarked(value: unknown): unknown {
  const root = [value]
  const left: object[] = [root]
  const replace = (parent: object, name: string | number, child: unknown) => {
    if (typeof child === 'object' && child !== null) left.push(child)
    else if (typeof child === 'string' && child.startsWith(MARK))
      Reflect.set(parent, name, BigInt(child.slice(1)))
  }
  // A loop, not a recursion: a body may be nested deeper than the stack.
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (Array.isArray(next)) for (let at = 0; at < next.length; at++) replace(next, at, next[at])
    else for (const [name, child] of Object.entries(next)) replace(next, name, child)
  }
  return root[0]
}

/**
 * As JSON.stringify, for what {@link parseExactly} returns: a bigint is written as a number.
 * @throws RangeError where the value is nested too deep
 */
export function writeJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  try {
    return JSON.stringify(value)
  } catch (error) {
    // Of parsed values only a bigint causes a TypeError.
    if (!(error instanceof TypeError)) throw error
  }
  const marked = JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? MARK + one : one))
  return marked.replace(WRITTEN_MARK, '$1')
}
