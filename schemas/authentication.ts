/** A keyed digest in a header, as text. */
interface Digest {
  /** Names of headers are as people write them, and compared without regard to case. */
  readonly header: string
  readonly encoding: 'base64' | 'hex'
  /** What stands before the digest, `sha256=` for example; a digest without it is refused. May be empty. */
  readonly prefix: string
}

/** How old, or how far ahead, a signed time of sending may be. */
interface Timely {
  readonly toleranceSeconds: number
}

/** HMAC-SHA256 over the raw body. Whoever has seen a request can send it again. */
export interface Hmac extends Digest {
  readonly scheme: 'hmac'
}

/** HMAC-SHA256 over `<timestamp>.<raw body>`, the timestamp in Unix seconds: CXone Expert's `X-Nexus-*`. */
export interface HmacTimestamp extends Digest, Timely {
  readonly scheme: 'hmac-timestamp'
  readonly timestampHeader: string
}

/**
 * HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<raw body>`, as standardwebhooks.com has it: its header names,
 * encoding and the meaning of a secret that starts with `whsec_` are fixed there.
 */
export interface StandardWebhooks extends Timely {
  readonly scheme: 'standard-webhooks'
}

/** The secret itself in a header. */
export interface SharedSecret {
  readonly scheme: 'secret'
  readonly header: string
}

/** The secret itself as `Authorization: Bearer <secret>`. */
export interface Bearer {
  readonly scheme: 'bearer'
}

/** No proof at all: anybody may post. */
export interface Anybody {
  readonly scheme: 'none'
}

/** How a request proves where it comes from. */
export type Authentication = Hmac | HmacTimestamp | StandardWebhooks | SharedSecret | Bearer | Anybody

/** The name of a scheme. */
export type Scheme = Authentication['scheme']

/** What NICE signs its data actions with; the contracts that name no scheme of their own take the same. */
export const NICE_SIGNATURE: Hmac = {
  scheme: 'hmac',
  header: 'X-Nice-Webhook-Signature',
  encoding: 'base64',
  prefix: '',
}

/** Every scheme as it is where neither the contract nor the configuration says otherwise. */
export const AUTHENTICATIONS: { readonly [S in Scheme]: Extract<Authentication, { scheme: S }> } = {
  hmac: NICE_SIGNATURE,
  'hmac-timestamp': {
    scheme: 'hmac-timestamp',
    header: 'X-Nexus-Signature-256',
    timestampHeader: 'X-Nexus-Timestamp',
    encoding: 'hex',
    prefix: 'sha256=',
    toleranceSeconds: 300,
  },
  'standard-webhooks': { scheme: 'standard-webhooks', toleranceSeconds: 300 },
  secret: { scheme: 'secret', header: 'X-CXone-Webhook-Secret' },
  bearer: { scheme: 'bearer' },
  none: { scheme: 'none' },
}

/** Who may post by a contract: whoever satisfies one of the schemes with one of the secrets. */
export interface Access {
  readonly schemes: readonly Authentication[]
  /** All that are active; several while one is replaced by another. */
  readonly secrets: readonly string[]
}

/** Whether configuration lets anybody post. */
export function isOpen({ schemes }: Pick<Access, 'schemes'>): boolean {
  return schemes.some(({ scheme }) => scheme === 'none')
}
