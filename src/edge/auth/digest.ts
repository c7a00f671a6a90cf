import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'

/** Bytes of a SHA-256. */
const DIGEST_BYTES = 32
/** Length of its text, without the padding of base64: that may be left out. */
const CHARACTERS = { base64: 43, hex: 64 } as const

/** What {@link decode} has read last: valid until its next call, and so until the next request at the latest. */
const given = Buffer.alloc(DIGEST_BYTES)

/**
 * Reads a digest behind its prefix, for {@link isSignedByAny} or {@link isAmong} to compare. It allocates nothing
 * where there is no prefix.
 * @returns false where the text is no such digest
 */
export function decode(text: string, encoding: 'base64' | 'hex', prefix = ''): boolean {
  if (!text.startsWith(prefix)) return false
  const padding = encoding === 'base64' && text.endsWith('=') ? 1 : 0
  // Node passes over characters that are none of the encoding's: then there are too few bytes in this length.
  if (text.length - prefix.length - padding !== CHARACTERS[encoding]) return false
  return given.write(prefix === '' ? text : text.slice(prefix.length), encoding) === DIGEST_BYTES
}

/** A secret as a key. */
export function keyOf(secret: string | Buffer): KeyObject {
  return typeof secret === 'string' ? createSecretKey(secret, 'utf8') : createSecretKey(secret)
}

/** HMAC-SHA256 of a head, which may be empty, and the body behind it. About 3 us for 600 bytes. */
export function sign(key: KeyObject, head: string, body: Buffer): Buffer {
  const hmac = createHmac('sha256', key)
  return (head === '' ? hmac : hmac.update(head)).update(body).digest()
}

/** Whether one of the keys makes the digest that was decoded. All are tried: the time does not tell which it was. */
export function isSignedByAny(keys: readonly KeyObject[], head: string, body: Buffer): boolean {
  let matches = false
  for (const key of keys) if (timingSafeEqual(sign(key, head, body), given)) matches = true
  return matches
}

/** Whether the digest that was decoded is among these. All are compared. */
export function isAmong(digests: readonly Buffer[]): boolean {
  let matches = false
  for (const digest of digests) if (timingSafeEqual(digest, given)) matches = true
  return matches
}
