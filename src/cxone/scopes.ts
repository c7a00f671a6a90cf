import type { CxoneClient } from './client.js'
import { CxoneTransient } from './errors.js'
import { type Patience, sendPatiently } from './retrying.js'

/** What the write-back of interactions needs. */
export const INTERACTION_SCOPES: readonly string[] = [
  'interaction:modify',
  'interaction:read',
  'dataactions:read',
]

/**
 * Asks CXone which of these scopes its token lacks.
 * @returns each missing scope, in the order of `needed`
 * @throws CxoneTransient it does not answer, or says nothing of scopes · AccessError, CxoneRefusal it refuses to say it
 */
export async function missingScopes(
  client: CxoneClient,
  needed: readonly string[],
  signal: AbortSignal,
  patience?: Patience,
): Promise<string[]> {
  const request = { method: 'GET', route: '/api/v2/oauth2/userinfo' } as const
  const answer = await sendPatiently(client, request, signal, undefined, patience)
  const granted = scopesIn(answer)
  if (granted === undefined) {
    throw new CxoneTransient(`The answer to GET ${request.route} has no scope: a text or a list`, 'no')
  }
  return needed.filter((scope) => !granted.includes(scope))
}

/** The claim is a string with spaces, as RFC 8693 has it, or a list. */
function scopesIn(answer: unknown): readonly string[] | undefined {
  const scope: unknown =
    typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'scope') : undefined
  if (typeof scope === 'string') return scope.split(/\s+/)
  return Array.isArray(scope) ? scope.map(String) : undefined
}
