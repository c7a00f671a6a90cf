import { createHmac } from 'node:crypto'
import {
  AUTHENTICATIONS,
  type Authentication,
  type HmacTimestamp,
  NICE_SIGNATURE,
} from '../../schemas/authentication.js'
import type { AuthError } from '../../src/edge/auth/auth-error.js'
import type { Authenticator } from '../../src/edge/auth/authenticator.js'

/** A way to prove a request, and how a sender does it: written once more, to be held against the sources. */
export interface Method {
  readonly authentication: Authentication
  /** @param seconds when it is sent, since 1970, or what it claims */
  sign(secret: string, body: Buffer, seconds: number | string): Record<string, string>
}

function hmac(secret: string | Buffer, ...parts: readonly (string | Buffer)[]) {
  const made = createHmac('sha256', secret)
  for (const part of parts) made.update(part)
  return made
}

const HEX: HmacTimestamp = AUTHENTICATIONS['hmac-timestamp']

/** Every scheme, some in several forms. */
export const METHODS: Readonly<Record<string, Method>> = {
  hmac: {
    authentication: NICE_SIGNATURE,
    sign: (secret, body) => ({ 'X-Nice-Webhook-Signature': hmac(secret, body).digest('base64') }),
  },
  'hmac in hex with a prefix': {
    authentication: { scheme: 'hmac', header: 'X-Hub-Signature-256', encoding: 'hex', prefix: 'sha256=' },
    sign: (secret, body) => ({ 'X-Hub-Signature-256': `sha256=${hmac(secret, body).digest('hex')}` }),
  },
  'hmac-timestamp': {
    authentication: HEX,
    sign: (secret, body, seconds) => ({
      'X-Nexus-Signature-256': `sha256=${hmac(secret, `${seconds}.`, body).digest('hex')}`,
      'X-Nexus-Timestamp': String(seconds),
    }),
  },
  'hmac-timestamp renamed': {
    authentication: { ...HEX, header: 'X-Sig', timestampHeader: 'X-Time', encoding: 'base64', prefix: '' },
    sign: (secret, body, seconds) => ({
      'X-Sig': hmac(secret, `${seconds}.`, body).digest('base64'),
      'X-Time': String(seconds),
    }),
  },
  'standard-webhooks': {
    authentication: AUTHENTICATIONS['standard-webhooks'],
    sign: (secret, body, seconds) => {
      const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret
      return {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(seconds),
        'webhook-signature': `v1,${hmac(key, `msg_1.${seconds}.`, body).digest('base64')}`,
      }
    },
  },
  secret: {
    authentication: AUTHENTICATIONS.secret,
    sign: (secret) => ({ 'X-CXone-Webhook-Secret': secret }),
  },
  bearer: {
    authentication: AUTHENTICATIONS.bearer,
    sign: (secret) => ({ Authorization: `Bearer ${secret}` }),
  },
}

/** The methods that sign the body; the others show the secret. */
export const SIGNING = Object.entries(METHODS).filter(([name]) => name !== 'secret' && name !== 'bearer')

/** What an authenticator says of a request with these headers. */
export function judge(
  { headers, check }: Authenticator,
  given: Readonly<Record<string, string>>,
  body: Buffer,
): AuthError | undefined {
  const values = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
  return check(
    headers.map((name) => values.get(name)),
    body,
  )
}
