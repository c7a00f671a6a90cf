import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SharedSecret } from '../../../schemas/authentication.js'
import { type Check, type Credentials, INVALID, missing } from './auth-error.js'

/** The header of a bearer token. */
export const AUTHORIZATION = 'Authorization'

const BEARER = /^Bearer +/i

/** The check of `secret`: about 3 us. @param at index of the secret in the credentials */
export function checkSecret({ header }: SharedSecret, secrets: readonly string[], at: number): Check {
  return checkPlain(secrets, header, (credentials) => credentials[at])
}

/** The check of `bearer`: about 3 us. @param at index of the `Authorization` header in the credentials */
export function checkBearer(secrets: readonly string[], at: number): Check {
  return checkPlain(secrets, AUTHORIZATION, (credentials) => {
    const value = credentials[at]
    // Another kind of authorization counts as wrong, not as missing: no secret starts with a space.
    return value && (BEARER.test(value) ? value.replace(BEARER, '') : ' ')
  })
}

function checkPlain(
  secrets: readonly string[],
  header: string,
  read: (credentials: Credentials) => string | undefined,
): Check {
  // Digests have equal length for all secrets. The key is random, so that an attacker cannot choose a digest.
  const key = randomBytes(32)
  const blind = (text: string) => createHmac('sha256', key).update(text).digest()
  const digests = secrets.map(blind)
  const lacking = missing(header)
  return (credentials) => {
    const secret = read(credentials)
    if (!secret) return lacking
    const given = blind(secret)
    let matches = false
    for (const digest of digests) if (timingSafeEqual(digest, given)) matches = true
    return matches ? undefined : INVALID
  }
}
