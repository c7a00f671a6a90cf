import { isUtf8 } from 'node:buffer'
import { REASONS } from '../../errors.js'
import type { DeadLetterHead, DeadLetterRecord } from '../../stream/dead-letters/record.js'

/** Prefix of a payload that is not text. */
const BASE64 = 'base64:'

/** The forms of an exported line, by the names of `--format`. */
export const FORMATS = {
  jsonl: (letter: DeadLetterRecord): object => ({ ...headJson(letter), body: payload(letter.body) }),
  c2: (letter: DeadLetterRecord): object => ({
    timestamp: iso(letter.at),
    original_payload: payload(letter.body),
    error_message: letter.message,
    retry_count: letter.attempts - 1,
    status: letter.status,
  }),
  c5: (letter: DeadLetterRecord): object => ({
    dlq_timestamp: iso(letter.at),
    original_correlation_id: letter.event || null,
    validation_errors: errorsOf(letter),
    original_payload: payload(letter.body),
    consumer_version: letter.version,
  }),
} as const

/** One of the keys of {@link FORMATS}. */
export type Format = keyof typeof FORMATS

/** All fields of a letter but its body, for JSON. */
export function headJson(letter: DeadLetterHead): object {
  return {
    id: letter.id,
    time: iso(letter.at),
    source: letter.source,
    sink: letter.sink,
    index: letter.index ?? null,
    reason: letter.reason,
    message: letter.message,
    errors: letter.errors,
    entry: letter.entry || null,
    received: iso(letter.receivedAt),
    delivery: letter.delivery || null,
    event: letter.event || null,
    trace: letter.trace || null,
    attempts: letter.attempts,
    first: iso(letter.firstAt),
    last: iso(letter.at),
    version: letter.version,
    status: letter.status,
    bytes: letter.bytes,
  }
}

/** The body as text. Where text would change its bytes, or starts with `base64:` itself: `base64:` and its base64. */
function payload(body: Buffer): string {
  const text = body.toString()
  return isUtf8(body) && !text.startsWith(BASE64) ? text : `${BASE64}${body.toString('base64')}`
}

/** The errors of the shape; where there are none, one made from the reason: the form has no other field for it. */
function errorsOf({ errors, message, reason }: DeadLetterRecord): object[] {
  if (errors.length > 0) return errors.map(({ loc, msg, type }) => ({ loc, msg, type }))
  return [{ loc: [], msg: message, type: reason }]
}

/** The meaning of a reason, for people. */
export function meaningOf(reason: string): string {
  return new Map<string, string>(Object.entries(REASONS)).get(reason) ?? 'unknown to this version'
}

/** Milliseconds since 1970 as RFC 3339. */
export function iso(ms: number): string {
  return new Date(ms).toISOString()
}
