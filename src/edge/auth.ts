import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Signature } from '../../schemas/contract.js'

/** Why a request is not authentic; `undefined` where it is. */
export type Denial = 'missing_signature' | 'invalid_signature' | undefined

/** @param signature the header's value; empty where it is missing */
export type Authenticate = (signature: string, body: Buffer) => Denial

/** Bytes of a SHA-256. */
const DIGEST_BYTES = 32

/**
 * Makes the check of a contract's signatures. It costs about 3 us for each secret, whichever of them matches.
 * @param secrets all that may sign now, several while one is replaced by another; `undefined`: anybody may post
 */
export function createAuthenticator(scheme: Signature, secrets: readonly string[] | undefined): Authenticate {
  if (secrets === undefined) return () => undefined
  const keys = secrets.map((secret) => createSecretKey(secret, 'utf8'))
  return (signature, body) => {
    if (signature === '') return 'missing_signature'
    const given = Buffer.from(signature, scheme.encoding)
    if (given.length !== DIGEST_BYTES) return 'invalid_signature'
    let matches = false
    // No early exit: the time must not tell which of the secrets it was.
    for (const key of keys) {
      if (timingSafeEqual(createHmac('sha256', key).update(body).digest(), given)) matches = true
    }
    return matches ? undefined : 'invalid_signature'
  }
}
