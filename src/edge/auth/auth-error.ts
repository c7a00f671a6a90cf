/** Why a request is not authentic, as it is answered. */
export interface AuthError {
  readonly code: 'missing_signature' | 'invalid_signature'
  readonly message: string
  /** The header that is missing. */
  readonly lacks?: string
}

/** The values of the headers that a contract's schemes ask for; `undefined` where there is none. */
export type Credentials = readonly (string | undefined)[]

/**
 * The check of one scheme; `undefined` where a request satisfies it. What it takes depends on the request alone:
 * every active secret is tried, whichever of them matches, and what is compared are digests of equal length.
 */
export type Check = (credentials: Credentials, body: Buffer) => AuthError | undefined

/** The answer to everything that is wrong in a way that helps nobody but an attacker to know. */
export const INVALID: AuthError = { code: 'invalid_signature', message: 'Invalid webhook signature' }

/** The answer to a request without a header that it needs. */
export function missing(header: string): AuthError {
  return { code: 'missing_signature', message: `Missing ${header} header`, lacks: header }
}

/** The answer to a request that is signed well, but not now: only who has the secret, or repeats its owner, sees it. */
export function stale(timestampHeader: string, toleranceSeconds: number): AuthError {
  return {
    code: 'invalid_signature',
    message: `The signature is right, but ${timestampHeader} is more than ${toleranceSeconds} s from now: it must be Unix seconds, by a clock that is right`,
  }
}

/** The answer to a request that has a header of its authentication twice: which one counts is anybody's guess. */
export function repeated(header: string): AuthError {
  return { code: 'invalid_signature', message: `More than one ${header} header; send one` }
}
