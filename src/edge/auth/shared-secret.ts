import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SharedSecret } from '../../../schemas/authentication.js'
import { type Check, type Credentials, INVALID, missing } from './auth-error.js'

/** Where a bearer token stands. */
export const AUTHORIZATION = 'Authorization'

const BEARER = /^Bearer +/i

/** The check of `secret`: about 3 us. @param at where the credentials have it */
export function checkSecret({ header }: SharedSecret, secrets: readonly string[], at: number): Check {
  return checkPlain(secrets, header, (credentials) => credentials[at])
}

/** The check of `bearer`: about 3 us. @param at where the credentials have it */
export function checkBearer(secrets: readonly string[], at: number): Check {
  return checkPlain(secrets, AUTHORIZATION, (credentials) => {
    const value = credentials[at]
    // Another kind of authorization is a wrong one, not a missing one: no secret starts with a space.
    return value && (BEARER.test(value) ? value.replace(BEARER, '') : ' ')
  })
}

function checkPlain(
  secrets: readonly string[],
  header: string,
  read: (credentials: Credentials) => string | undefined,
): Check {
  // Digests are equally long, whatever the secrets are; and with a key that nobody knows, nobody can aim at them.
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
