import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'

/** Length of a SHA-256 digest, in bytes. */
const DIGEST_BYTES = 32
/** Length of its text, without the optional padding of base64. */
const CHARACTERS = { base64: 43, hex: 64 } as const

/** The digest that {@link decode} read last: valid until its next call, so until the next request at the latest. */
const decoded = Buffer.alloc(DIGEST_BYTES)

/**
 * Reads the digest behind the prefix, for {@link isSignedByAny} or {@link isAmong} to compare. Allocates nothing
 * where there is no prefix.
 * @returns false where the text is not such a digest
 */
export function decode(text: string, encoding: 'base64' | 'hex', prefix = ''): boolean {
  if (!text.startsWith(prefix)) return false
  const padding = encoding === 'base64' && text.endsWith('=') ? 1 : 0
  // Node skips characters outside the encoding: a text of this length then has too few bytes.
  if (text.length - prefix.length - padding !== CHARACTERS[encoding]) return false
  return decoded.write(prefix === '' ? text : text.slice(prefix.length), encoding) === DIGEST_BYTES
}

/** Makes a key of a secret. */
export function keyOf(secret: string | Buffer): KeyObject {
  return typeof secret === 'string' ? createSecretKey(secret, 'utf8') : createSecretKey(secret)
}

/** HMAC-SHA256 of a head, which may be empty, followed by the body. About 3 us for 600 bytes. */
export function sign(key: KeyObject, head: string, body: Buffer): Buffer {
  const hmac = createHmac('sha256', key)
  return (head === '' ? hmac : hmac.update(head)).update(body).digest()
}

/** Whether one of the keys makes the decoded digest. Tries all of them, so that the time does not show which. */
export function isSignedByAny(keys: readonly KeyObject[], head: string, body: Buffer): boolean {
  let matches = false
  for (const key of keys) if (timingSafeEqual(sign(key, head, body), decoded)) matches = true
  return matches
}

/** Whether the decoded digest is one of these. Compares all of them. */
export function isAmong(digests: readonly Buffer[]): boolean {
  let matches = false
  for (const digest of digests) if (timingSafeEqual(digest, decoded)) matches = true
  return matches
}
