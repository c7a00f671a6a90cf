import { type ErrorCode, errorResponseOf } from './error-response.js'
import type { HttpAnswer } from './http/http.js'

/** The body of the answer to an accepted request. */
export const ACCEPTED = '{"status":"accepted"}'

/** The answer to an accepted request. @param entry its position in the log: `<partition>/<entry id>` */
export function acceptedAnswer(entry: string, close: boolean): HttpAnswer {
  const headers = ['Tributary-Entry', entry]
  return { status: '202 Accepted', headers, body: ACCEPTED, close, withoutBody: false }
}

/** The answer to a refused request. @param message replaces the code's default message */
export function errorAnswer(code: ErrorCode, message?: string): HttpAnswer {
  const refusal = errorResponseOf(code)
  const headers: string[] = []
  if (code === 'method_not_allowed') headers.push('Allow', 'POST')
  if (refusal.retry) headers.push('Retry-After', retryAfter())
  const body = JSON.stringify({ error: code, message: message ?? refusal.message })
  return { status: refusal.status, headers, body, close: refusal.close === true, withoutBody: false }
}

/** 1 to 3 s at random, so that senders that were refused together do not retry together. */
function retryAfter(): string {
  return String(1 + Math.floor(Math.random() * 3))
}
