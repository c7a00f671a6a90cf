import type { Authentication } from '../../../schemas/authentication.js'
import { STANDARD_WEBHOOKS, SYMMETRIC } from '../auth/standard-webhooks.js'

/** OpenAPI's Security Schemes, by the names that requirements refer to. */
type Schemes = Record<string, object>

/** How a contract's requests are authenticated: any one of several requirements, or none. */
export interface Security {
  readonly schemes: Schemes
  /** Any one of these is enough; all schemes within one are needed together. */
  readonly requirements: Record<string, string[]>[]
}

/** Describes a contract's authentication. OpenAPI has no signatures: they are headers with a description. */
export function describeSecurity(contract: string, authentications: readonly Authentication[]): Security {
  const schemes: Schemes = {}
  const requirements = authentications.map((authentication) => {
    const parts = Object.entries(partsOf(authentication)).map(
      ([part, scheme]) => [`${contract}.${part}`, scheme] as const,
    )
    Object.assign(schemes, Object.fromEntries(parts))
    return Object.fromEntries(parts.map(([name]) => [name, []]))
  })
  return { schemes, requirements }
}

function partsOf(authentication: Authentication): Schemes {
  switch (authentication.scheme) {
    case 'hmac': {
      const { header: name, encoding, prefix } = authentication
      return { hmac: header(name, `${written(encoding, prefix)} of HMAC-SHA256 over the raw body`) }
    }
    case 'hmac-timestamp': {
      const { header: name, timestampHeader, encoding, prefix, toleranceSeconds } = authentication
      const signed = `${written(encoding, prefix)} of HMAC-SHA256 over <timestamp>.<raw body>`
      return { hmac: header(name, signed), timestamp: header(timestampHeader, timely(toleranceSeconds)) }
    }
    case 'standard-webhooks': {
      const { id, timestamp, signature } = STANDARD_WEBHOOKS
      const signed = `${SYMMETRIC}<base64 of HMAC-SHA256 over <id>.<timestamp>.<raw body>>, several separated by spaces`
      return {
        'webhook-id': header(id, 'Id of the message'),
        'webhook-timestamp': header(timestamp, timely(authentication.toleranceSeconds)),
        'webhook-signature': header(signature, signed),
      }
    }
    case 'secret':
      return { secret: header(authentication.header, 'The shared secret itself') }
    case 'bearer':
      return { bearer: { type: 'http', scheme: 'bearer', description: 'The shared secret itself' } }
    case 'none':
      return {}
  }
}

function header(name: string, description: string): object {
  return { type: 'apiKey', in: 'header', name, description }
}

function written(encoding: 'base64' | 'hex', prefix: string): string {
  return `${prefix && `\`${prefix}\` and `}${encoding}`
}

function timely(toleranceSeconds: number): string {
  return `When it was signed, in Unix seconds; at most ${toleranceSeconds} s from now`
}
