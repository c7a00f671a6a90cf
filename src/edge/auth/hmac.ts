import type { Hmac, HmacTimestamp } from '../../../schemas/authentication.js'
import { type Check, INVALID, missing, stale } from './auth-error.js'
import { decode, isSignedByAny, keyOf } from './digest.js'
import { isTimely, isUnixSeconds } from './timestamp.js'

/**
 * The check of `hmac`: about 3 us for each secret.
 * @param at index of the signature in the credentials
 */
export function checkHmac({ header, encoding, prefix }: Hmac, secrets: readonly string[], at: number): Check {
  const keys = secrets.map(keyOf)
  const lacking = missing(header)
  return (credentials, body) => {
    const signature = credentials[at]
    if (!signature) return lacking
    if (!decode(signature, encoding, prefix)) return INVALID
    return isSignedByAny(keys, '', body) ? undefined : INVALID
  }
}

/**
 * The check of `hmac-timestamp`.
 * @param at indexes of the signature and the timestamp in the credentials
 * @param now in ms since 1970
 */
export function checkHmacTimestamp(
  { header, timestampHeader, encoding, prefix, toleranceSeconds }: HmacTimestamp,
  secrets: readonly string[],
  at: { readonly signature: number; readonly timestamp: number },
  now: () => number,
): Check {
  const keys = secrets.map(keyOf)
  const lacking = missing(header)
  const undated = missing(timestampHeader)
  const late = stale(timestampHeader, toleranceSeconds)
  return (credentials, body) => {
    const signature = credentials[at.signature]
    const timestamp = credentials[at.timestamp]
    if (!signature) return lacking
    if (!timestamp) return undated
    if (!isUnixSeconds(timestamp) || !decode(signature, encoding, prefix)) return INVALID
    if (!isSignedByAny(keys, `${timestamp}.`, body)) return INVALID
    return isTimely(timestamp, toleranceSeconds, now()) ? undefined : late
  }
}
