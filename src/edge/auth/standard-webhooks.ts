import type { KeyObject } from 'node:crypto'
import type { StandardWebhooks } from '../../../schemas/authentication.js'
import { type Check, INVALID, missing, stale } from './auth-error.js'
import { decode, isAmong, keyOf, sign } from './digest.js'
import { isTimely, isUnixSeconds } from './timestamp.js'

/** The headers of Standard Webhooks. */
export const STANDARD_WEBHOOKS = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const

/** Prefix of a symmetric signature in `webhook-signature`. */
export const SYMMETRIC = 'v1,'

const ENCODED_SECRET = 'whsec_'

/** The key of a secret: the base64-decoded bytes behind `whsec_`, otherwise the text itself. */
export function standardWebhooksKey(secret: string): KeyObject {
  const isEncoded = secret.startsWith(ENCODED_SECRET)
  return keyOf(isEncoded ? Buffer.from(secret.slice(ENCODED_SECRET.length), 'base64') : secret)
}

/** The text that is signed before the body. */
export function signedHead(id: string, timestamp: string): string {
  return `${id}.${timestamp}.`
}

/**
 * The check of `standard-webhooks`: about 3 us for each secret, independent of the number of signatures.
 * @param at indexes of the three headers in the credentials
 * @param now in ms since 1970
 */
export function checkStandardWebhooks(
  { toleranceSeconds }: StandardWebhooks,
  secrets: readonly string[],
  at: Readonly<Record<keyof typeof STANDARD_WEBHOOKS, number>>,
  now: () => number,
): Check {
  const keys = secrets.map(standardWebhooksKey)
  const unsigned = missing(STANDARD_WEBHOOKS.signature)
  const anonymous = missing(STANDARD_WEBHOOKS.id)
  const undated = missing(STANDARD_WEBHOOKS.timestamp)
  const late = stale(STANDARD_WEBHOOKS.timestamp, toleranceSeconds)
  return (credentials, body) => {
    const signatures = credentials[at.signature]
    const id = credentials[at.id]
    const timestamp = credentials[at.timestamp]
    if (!signatures) return unsigned
    if (!id) return anonymous
    if (!timestamp) return undated
    if (!isUnixSeconds(timestamp)) return INVALID
    const digests = keys.map((key) => sign(key, signedHead(id, timestamp), body))
    if (!hasOneOf(digests, signatures)) return INVALID
    return isTimely(timestamp, toleranceSeconds, now()) ? undefined : late
  }
}

/** Whether one of the signatures matches; the header may also have signatures of other versions. */
function hasOneOf(digests: readonly Buffer[], signatures: string): boolean {
  let matches = false
  for (const signature of signatures.split(' ')) {
    if (decode(signature, 'base64', SYMMETRIC) && isAmong(digests)) matches = true
  }
  return matches
}
