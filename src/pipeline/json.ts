import { isExact } from '../../schemas/number.js'
import { isLarge, longNumbersIn, mayHoldLongNumbers } from '../state/json.js'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Whether there is a number anywhere in a JSON value; most events have only strings. */
export function holdsNumber(value: unknown): boolean {
  const left: unknown[] = [value]
  // A loop, not a recursion: a body may be nested deeper than the stack.
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'number') return true
    if (typeof next === 'object' && next !== null) for (const child of Object.values(next)) left.push(child)
  }
  return false
}

/** What a JSON text has of numbers that JSON.parse would change. */
export interface LongNumbers {
  /** The first one that nothing keeps exactly: a double cannot hold it, and it is not whole or too long. */
  readonly inexact: string | undefined
  /** The first whole one beyond 2^53, which `parseExactly` keeps. */
  readonly large: string | undefined
}

/**
 * Finds the numbers in a text that JSON.parse would change; `undefined` where there are none.
 * Costs a search through the text, 0.1 us for 700 B; only if that finds something, each number is checked too.
 * @param text valid JSON
 */
export function longNumbers(text: string): LongNumbers | undefined {
  if (!mayHoldLongNumbers(text)) return undefined
  let large: string | undefined
  for (const { number } of longNumbersIn(text)) {
    if (isLarge(number)) large ??= number
    else if (!isExact(number)) return { inexact: number, large }
  }
  return large === undefined ? undefined : { inexact: undefined, large }
}

/** Finds the first string in a JSON value, names included, that matches. */
export function findString(value: unknown, isSought: (text: string) => boolean): string | undefined {
  const left: unknown[] = [value]
  // A loop, not a recursion: a body may be nested deeper than the stack.
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'string') {
      if (isSought(next)) return next
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, child] of Object.entries(next)) left.push(name, child)
    }
  }
  return undefined
}

/**
 * Splits an array that is a member of a JSON object into its elements, each as the exact bytes that were sent; they share
 * memory with the object. If several members have the name, the last counts, as with JSON.parse.
 * Costs two passes over the bytes.
 * @param json a valid JSON object in UTF-8
 * @param name name of the member; without such an array there are no elements
 */
export function elementsOf(json: Buffer, name: string): Buffer[] {
  let elements: Buffer[] = []
  for (let at = skipSpace(json, skipSpace(json, 0) + 1); json[at] === QUOTE; ) {
    const nameEnd = endOfValue(json, at)
    const member: unknown = JSON.parse(json.subarray(at, nameEnd).toString())
    const value = skipSpace(json, skipSpace(json, nameEnd) + 1)
    if (member === name) elements = json[value] === OPEN_ARRAY ? split(json, value) : []
    at = skipComma(json, endOfValue(json, value))
  }
  return elements
}

function split(json: Buffer, start: number): Buffer[] {
  const elements: Buffer[] = []
  for (let at = skipSpace(json, start + 1); at < json.length && json[at] !== CLOSE_ARRAY; ) {
    const end = endOfValue(json, at)
    elements.push(json.subarray(at, end))
    at = skipComma(json, end)
  }
  return elements
}

/** @returns the place behind the value that begins at `start`; a loop, because it may be nested deeper than the stack */
function endOfValue(json: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const byte = json[at]
    if (byte === QUOTE) at = endOfString(json, at)
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
    if (depth === 0 && isEnd(json[at + 1])) return at + 1
  }
  return json.length
}

/** Whether a value that has begun ends before this byte. */
function isEnd(byte: number | undefined): boolean {
  return isSpace(byte) || byte === COMMA || byte === 0x3a || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT
}

/** @returns the place of the quote that ends the string which begins at `start` */
function endOfString(json: Buffer, start: number): number {
  let at = start + 1
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at
}

function skipComma(json: Buffer, start: number): number {
  const at = skipSpace(json, start)
  return json[at] === COMMA ? skipSpace(json, at + 1) : at
}

function skipSpace(json: Buffer, start: number): number {
  let at = start
  while (isSpace(json[at])) at++
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}
