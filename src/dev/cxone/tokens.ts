import { randomUUID } from 'node:crypto'
import type { Reply } from './reply.js'

/** The client that may ask for tokens, and what it is granted. */
export interface Grant {
  readonly clientId: string
  readonly clientSecret: string
  readonly scopes: readonly string[]
}

/** The tokens of the stand-in for CXone: OAuth 2.0 client credentials, form encoded. */
export class Tokens {
  readonly #issued = new Map<string, { readonly scopes: readonly string[]; readonly endsAt: number }>()
  /** How long a new token is valid, in seconds; fractions count, but `expires_in` is the same number. */
  lifeSeconds = 300

  /** The last token that was issued. */
  newest = ''

  constructor(private readonly grant: Grant) {}

  /** Answers a request to the token endpoint. */
  issue(contentType: string, body: string): Reply {
    if (!contentType.startsWith('application/x-www-form-urlencoded'))
      return refusal(400, 'invalid_request', 'The body must be form encoded')
    const form = new URLSearchParams(body)
    if (form.get('grant_type') !== 'client_credentials')
      return refusal(400, 'unsupported_grant_type', 'Only client_credentials')
    const { clientId, clientSecret, scopes } = this.grant
    if (form.get('client_id') !== clientId || form.get('client_secret') !== clientSecret)
      return refusal(401, 'invalid_client', 'Unknown client')
    const asked = form.get('scope')?.split(' ')
    if (asked?.some((scope) => !scopes.includes(scope)))
      return refusal(400, 'invalid_scope', 'A scope is not granted to this client')
    const token = randomUUID()
    this.newest = token
    this.#issued.set(token, {
      scopes: asked ?? scopes,
      endsAt: performance.now() + this.lifeSeconds * 1_000,
    })
    const granted = { access_token: token, token_type: 'Bearer', expires_in: this.lifeSeconds }
    return { status: 200, body: granted }
  }

  /** The scopes of a valid token. */
  scopesOf(token: string): readonly string[] | undefined {
    const issued = this.#issued.get(token)
    return issued && performance.now() < issued.endsAt ? issued.scopes : undefined
  }

  /** Ends all tokens before their time. */
  revoke(): void {
    this.#issued.clear()
  }
}

function refusal(status: number, error: string, description: string): Reply {
  return { status, body: { error, error_description: description } }
}
