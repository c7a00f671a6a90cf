/** A keyed digest, as text in a header. */
interface Digest {
  /** Name of the header, in its usual spelling; compared without regard to case. */
  readonly header: string
  readonly encoding: 'base64' | 'hex'
  /** Text before the digest, for example `sha256=`; a digest without it is refused. May be empty. */
  readonly prefix: string
}

/** The most seconds that a signed timestamp may be in the past or in the future. */
interface Timely {
  readonly toleranceSeconds: number
}

/** HMAC-SHA256 over the raw body. It does not prevent replay: anyone who sees a request can send it again. */
export interface Hmac extends Digest {
  readonly scheme: 'hmac'
}

/** HMAC-SHA256 over `<timestamp>.<raw body>`, the timestamp in Unix seconds: CXone Expert's `X-Nexus-*`. */
export interface HmacTimestamp extends Digest, Timely {
  readonly scheme: 'hmac-timestamp'
  readonly timestampHeader: string
}

/**
 * HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<raw body>`. standardwebhooks.com defines it, with the header names,
 * the encoding and the meaning of a secret that starts with `whsec_`.
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

/** No authentication: anyone may post. */
export interface Anybody {
  readonly scheme: 'none'
}

/** How a request is authenticated. */
export type Authentication = Hmac | HmacTimestamp | StandardWebhooks | SharedSecret | Bearer | Anybody

/** The name of a scheme. */
export type Scheme = Authentication['scheme']

/** The signature of NICE's data actions, also used for contracts whose specification names no scheme. */
export const NICE_SIGNATURE: Hmac = {
  scheme: 'hmac',
  header: 'X-Nice-Webhook-Signature',
  encoding: 'base64',
  prefix: '',
}

/** The defaults of every scheme; a contract or the configuration may override them. */
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

/** Who may post to a contract: a request must satisfy one of the schemes with one of the secrets. */
export interface Access {
  readonly schemes: readonly Authentication[]
  /** All active secrets; several while one replaces another. */
  readonly secrets: readonly string[]
}

/** Whether anyone may post. */
export function isOpen({ schemes }: Pick<Access, 'schemes'>): boolean {
  return schemes.some(({ scheme }) => scheme === 'none')
}
