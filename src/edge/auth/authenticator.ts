import type { Access, Authentication } from '../../../schemas/authentication.js'
import { type AuthError, type Check, INVALID, missing, repeated } from './auth-error.js'
import { checkHmac, checkHmacTimestamp } from './hmac.js'
import { AUTHORIZATION, checkBearer, checkSecret } from './shared-secret.js'
import { checkStandardWebhooks, STANDARD_WEBHOOKS } from './standard-webhooks.js'

/** Decides whether a contract's requests are authentic. */
export interface Authenticator {
  /** The headers that the check needs, in lower case. */
  readonly headers: readonly string[]
  /**
   * @param credentials the values of {@link headers}, in the same order
   * @returns why the request is not authentic; `undefined` where it is
   */
  readonly check: Check
  /** The answers to a request that repeats one of {@link headers}, in the same order. */
  readonly repeated: readonly AuthError[]
}

/**
 * Creates the check of a contract's requests. It costs about 3 us for each scheme and secret, whichever matches.
 * @param reportsMissingSignature whether a missing signature gets an answer other than a wrong one
 * @param now in ms since 1970
 */
export function createAuthenticator(
  access: Access,
  reportsMissingSignature: boolean,
  now: () => number = Date.now,
): Authenticator {
  const names: string[] = []
  const headers: string[] = []
  const place = (name: string) => {
    const known = headers.indexOf(name.toLowerCase())
    if (known >= 0) return known
    names.push(name)
    return headers.push(name.toLowerCase()) - 1
  }
  const checks = access.schemes.map((scheme) => createCheck(scheme, access.secrets, place, now))
  const check = checks.length === 1 && checks[0] ? checks[0] : anyOf(checks)
  return { headers, check: reportsMissingSignature ? check : discreet(check), repeated: names.map(repeated) }
}

/** @param place returns the index of a header in the credentials */
function createCheck(
  authentication: Authentication,
  secrets: readonly string[],
  place: (name: string) => number,
  now: () => number,
): Check {
  switch (authentication.scheme) {
    case 'hmac':
      return checkHmac(authentication, secrets, place(authentication.header))
    case 'hmac-timestamp': {
      const { header, timestampHeader } = authentication
      const at = { signature: place(header), timestamp: place(timestampHeader) }
      return checkHmacTimestamp(authentication, secrets, at, now)
    }
    case 'standard-webhooks': {
      const { id, timestamp, signature } = STANDARD_WEBHOOKS
      const at = { id: place(id), timestamp: place(timestamp), signature: place(signature) }
      return checkStandardWebhooks(authentication, secrets, at, now)
    }
    case 'secret':
      return checkSecret(authentication, secrets, place(authentication.header))
    case 'bearer':
      return checkBearer(secrets, place(AUTHORIZATION))
    case 'none':
      return () => undefined
  }
}

/** Satisfied where any check is; runs all of them. Reports a wrong credential rather than a missing one. */
function anyOf(checks: readonly Check[]): Check {
  return (credentials, body) => {
    const denials: AuthError[] = []
    let satisfied = false
    for (const check of checks) {
      const authError = check(credentials, body)
      if (authError) denials.push(authError)
      else satisfied = true
    }
    if (satisfied) return undefined
    const wrong = denials.find(({ code }) => code === 'invalid_signature')
    return wrong ?? missing(denials.map(({ lacks }) => lacks).join(' or '))
  }
}

/** The same check, but it answers a missing signature like a wrong one. */
function discreet(check: Check): Check {
  return (credentials, body) => {
    const authError = check(credentials, body)
    return authError?.code === 'missing_signature' ? INVALID : authError
  }
}
