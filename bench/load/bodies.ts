import { createHmac, createSecretKey } from 'node:crypto'
import { cdc } from '../../schemas/cdc.js'
import { contactSync } from '../../schemas/contact-sync.js'
import type { RequestRecipe } from './plan.js'

/** The secret that signs all requests of a bench. */
export const SECRET = 'bench-secret'

/** What an event of a bench does to its contact. */
export interface ContactEvent {
  readonly operation: 'created' | 'updated'
  /** Of the contact. */
  readonly key: string
  /** Number of the event, from 0: a higher one is newer. The contact's `externalId` contains it. */
  readonly turn: number
}

/** Time of the first event: in the past, so that no event lies in the future. */
const BEGIN_MS = Date.UTC(2026, 0, 1)
const FIRST_NAMES = ['Ada', 'Alan', 'Barbara', 'Edsger', 'Grace', 'Katherine', 'Ken', 'Margaret']
const LAST_NAMES = ['Dijkstra', 'Hamilton', 'Hopper', 'Johnson', 'Liskov', 'Lovelace', 'Thompson', 'Turing']

/** The `externalId` that an event writes: it shows which event a row has. */
export function markOf(turn: number): string {
  return `CRM-${turn}`
}

/** What a body consists of besides the fields that have columns. */
export interface BodySize {
  /** Of the body, if that is enough for its fields; what is missing is a note, which has no column. */
  readonly bytes: number
  /** Fields without a column. */
  readonly fields?: number
}

/** The body of a webhook about a contact. About 1.5 us. */
export function contactBody({ operation, key, turn }: ContactEvent, { bytes, fields = 0 }: BodySize): string {
  const micros = String(turn % 1_000).padStart(3, '0')
  const timestamp = new Date(BEGIN_MS + Math.floor(turn / 1_000)).toISOString().replace('Z', `${micros}Z`)
  const head = `{"webhookId":"wh-4711","eventType":"contact.${operation}","timestamp":"${timestamp}","eventData":{"id":"${key}","externalId":"${markOf(turn)}","phone":"+1-555-0${turn % 1_000}"`
  const rest =
    operation === 'updated'
      ? ''
      : `,"firstName":"${FIRST_NAMES[turn & 7]}","lastName":"${LAST_NAMES[(turn >> 3) & 7]}","email":"customer.${turn}@example.com","status":"active"`
  const more = Array.from({ length: fields }, (_, i) => `,"field${i}":"value ${turn}"`).join('')
  const missing = bytes - head.length - rest.length - more.length - ',"notes":""}}'.length
  return `${head}${rest}${more}${missing > 0 ? `,"notes":"${'x'.repeat(missing)}"` : ''}}}`
}

/** The body of a webhook with many contacts in an array. */
function eventsBody(run: string, turn: number, events: number): string {
  const timestamp = new Date(BEGIN_MS + turn).toISOString()
  const texts = Array.from({ length: events }, (_, i) => {
    const key = `${run}-${turn}-${i}`
    return `{"id":"${key}","externalId":"CRM-${i}","firstName":"Ada","lastName":"Lovelace","email":"c.${i}@example.com","timestamp":"${timestamp}"}`
  })
  return `{"events":[${texts.join(',')}]}`
}

/** Makes the n-th request of a recipe, as it goes over the wire. About 8 us, most of it the signature. */
export function createRequests({ body, size, signed, run, variety }: RequestRecipe): (n: number) => Buffer {
  const contract = body === 'contact' ? cdc : contactSync
  const secret = createSecretKey(signed ? SECRET : 'another-secret', 'utf8')
  const make = (n: number): Buffer => {
    const text =
      body === 'contact'
        ? contactBody({ operation: 'created', key: `${run}-${n}`, turn: n }, { bytes: size })
        : eventsBody(run, n, size)
    const signature = createHmac('sha256', secret).update(text).digest('base64')
    // All of it is ASCII.
    return Buffer.from(
      `POST ${contract.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: CXone-Webhooks/1.0\r\nAccept: */*\r\n` +
        `Content-Type: application/json\r\nX-Nice-Webhook-Signature: ${signature}\r\n` +
        `Content-Length: ${text.length}\r\n\r\n${text}`,
      'latin1',
    )
  }
  if (variety === 'fresh') return make
  const pool = Array.from({ length: variety }, (_, n) => make(n))
  return (n) => pool[n % variety] ?? make(n)
}
