import type { CxoneClient } from './client.js'
import { AccessError, CxoneRefusal, CxoneTransient } from './errors.js'
import type { AttributesUpdate } from './interactions.js'

/** CXone takes no more updates in one batch. */
export const MOST_UPDATES = 25

const ROUTE = '/api/v2/interactions/batch'

/** An update of a batch. */
export type BatchUpdate = Pick<AttributesUpdate, 'interactionId' | 'attributes'>

/** What came of one update: CXone has it, it is to be sent again, or it is refused for good. */
export type UpdateOutcome = 'applied' | CxoneTransient | CxoneRefusal

/**
 * Sends a batch of updates once.
 * @param updates at most {@link MOST_UPDATES}, of different interactions
 * @param parent `traceparent` of the work
 * @returns an outcome for each update, in their order
 * @throws CxoneTransient all of them are to be sent again · CxoneRefusal CXone refuses the batch as a whole: send its
 * updates one by one, to find the one that is at fault · AccessError CXone permits none of them, or the URL is wrong.
 * A batch with one update throws it too: where `missingScopes` finds all scopes, that interaction alone is out of reach
 */
export async function patchInteractions(
  client: CxoneClient,
  updates: readonly BatchUpdate[],
  signal: AbortSignal,
  parent?: string,
): Promise<UpdateOutcome[]> {
  const body = {
    requests: updates.map(({ interactionId, attributes }) => ({
      method: 'PATCH',
      path: `/api/v2/interactions/${segment(interactionId)}`,
      body: { attributes },
    })),
  }
  const answer = await send(client, body, signal, parent)
  const results: unknown =
    typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'results') : undefined
  if (!Array.isArray(results) || results.length > updates.length) {
    const what = Array.isArray(results)
      ? `${results.length} results for ${updates.length} updates`
      : 'no results'
    throw new CxoneTransient(`The answer to PATCH ${ROUTE} has ${what}`, 'unknown')
  }
  const statuses = updates.map((_, at) => statusOf(results[at]))
  const first = statuses.indexOf(403)
  if (first >= 0 && statuses.every((status) => status === 403)) {
    const words = wordsIn(client, results[first])
    throw new AccessError(`CXone permits none of ${updates.length} updates: 403${words}`, 403)
  }
  return statuses.map((status, at) => judge(status, wordsIn(client, results[at])))
}

async function send(
  client: CxoneClient,
  body: unknown,
  signal: AbortSignal,
  parent: string | undefined,
): Promise<unknown> {
  try {
    return await client.send({ method: 'PATCH', route: ROUTE, body, parent }, signal)
  } catch (error) {
    // No update can be at fault where there is no such path.
    if (error instanceof CxoneRefusal && [404, 405, 410].includes(error.status))
      throw new AccessError(`${error.message}. Check CXONE_API_URL: ${client.apiUrl}`, error.status)
    throw error
  }
}

function judge(status: number | undefined, words: string): UpdateOutcome {
  if (status === 200) return 'applied'
  if (status === undefined)
    return new CxoneTransient('CXone answered a batch without a result for this update', 'unknown')
  const message = `CXone answered ${status} to this update${words}`
  const refused = status >= 400 && status < 500 && ![401, 408, 425, 429].includes(status)
  return refused ? new CxoneRefusal(status, message) : new CxoneTransient(message, 'unknown')
}

function statusOf(result: unknown): number | undefined {
  const status: unknown =
    typeof result === 'object' && result !== null ? Reflect.get(result, 'status') : undefined
  const number = typeof status === 'string' && /^\d{3}$/.test(status) ? Number(status) : status
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined
}

function wordsIn(client: CxoneClient, result: unknown): string {
  const words = client.words(JSON.stringify(result) ?? '')
  return words && `: ${words}`
}

/** An id as one part of a path: `..` alone would climb, and half of a surrogate pair has no bytes. */
function segment(id: string): string {
  return /^\.+$/.test(id) ? id.replaceAll('.', '%2E') : encodeURIComponent(id.toWellFormed())
}
