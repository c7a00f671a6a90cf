/** Why a request is not authentic, as the edge answers it. */
export interface AuthError {
  readonly code: 'missing_signature' | 'invalid_signature'
  readonly message: string
  /** The header that is missing. */
  readonly lacks?: string
}

/** The values of the headers that a contract's schemes ask for; `undefined` where there is none. */
export type Credentials = readonly (string | undefined)[]

/**
 * The check of one scheme; returns `undefined` where a request satisfies it. Its time depends on the request alone:
 * it tries every active secret, whichever of them matches, and compares digests of equal length.
 */
export type Check = (credentials: Credentials, body: Buffer) => AuthError | undefined

/** The answer to every other error: details would help only an attacker. */
export const INVALID: AuthError = { code: 'invalid_signature', message: 'Invalid webhook signature' }

/** The answer to a request that lacks a required header. */
export function missing(header: string): AuthError {
  return { code: 'missing_signature', message: `Missing ${header} header`, lacks: header }
}

/** The answer to a right signature with a wrong time: only the secret's owner, or somebody who replays it, gets it. */
export function stale(timestampHeader: string, toleranceSeconds: number): AuthError {
  return {
    code: 'invalid_signature',
    message: `The signature is right, but ${timestampHeader} is more than ${toleranceSeconds} s from now: it must be Unix seconds; check the clock of the sender`,
  }
}

/** The answer to a request that repeats an authentication header: it is unclear which of the values counts. */
export function repeated(header: string): AuthError {
  return { code: 'invalid_signature', message: `More than one ${header} header; send one` }
}
