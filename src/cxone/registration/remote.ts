import type { CxoneClient } from '../client.js'
import { CxoneRefusal, type CxoneTransient } from '../errors.js'
import { sendPatiently } from '../retrying.js'
import { KINDS, type Kind, type Registered } from './kinds.js'

/** Most pages of a list that are read: a list that never ends is a mistake. */
const MOST_PAGES = 1_000
/** Names that the array of a list may have, beside no object around it at all. */
const LISTS = ['entities', 'items', 'results', 'data', 'webhooks', 'dataActions', 'dataactions']
const IDS = ['id', 'webhookId', 'dataActionId']
const LINKS = ['nextUri', 'nextPage', 'nextPageUri', 'next']
const TOTALS = ['total', 'totalCount', 'totalRecords']
const COUNTS = ['pageCount', 'totalPages']

/** What every call needs. */
export interface Caller {
  readonly client: CxoneClient
  readonly signal: AbortSignal
  /** Called with each failure before its pause, in ms. */
  readonly onRetry?: ((error: CxoneTransient, pauseMs: number) => void) | undefined
}

/**
 * Lists all registrations of a kind, whether CXone answers with an array, with numbered pages or with links to pages.
 * @throws as {@link sendPatiently}; Error where the list cannot be read to its end: what is missing in it would be
 * created a second time
 */
export async function listRegistered({ client, signal, onRetry }: Caller, kind: Kind): Promise<Registered[]> {
  const { route, url } = KINDS[kind]
  const found = new Map<string, Registered>()
  for (let page = 1, path = route; page <= MOST_PAGES; page++) {
    const answer = await sendPatiently(client, { method: 'GET', route, path }, signal, onRetry)
    const items = itemsIn(answer, route)
    // A server that does not know the parameter for the page answers with the first page for ever.
    if (items.length > 0 && items.every(({ id }) => found.has(id))) break
    for (const item of items) found.set(item.id, { ...item, kind, url: textOf(item.fields, url) })
    const next = nextPage(answer, route, page, client.apiUrl)
    if (next !== undefined) {
      path = next
      continue
    }
    const total = TOTALS.map((name) => fieldOf(answer, name)).find((count) => typeof count === 'number')
    if (typeof total === 'number' && total > found.size) break
    return [...found.values()]
  }
  throw new Error(
    `The list of GET ${route} cannot be read to its end: only ${found.size} are known. Register by hand`,
  )
}

/** Creates a registration, once: see {@link sendPatiently}. */
export async function create({ client, signal, onRetry }: Caller, kind: Kind, body: unknown): Promise<void> {
  await sendPatiently(client, { method: 'POST', route: KINDS[kind].route, body }, signal, onRetry)
}

/** Replaces the fields of a registration. */
export async function replace(caller: Caller, { kind, id }: Registered, body: unknown): Promise<void> {
  const request = { method: 'PUT', ...pathOf(kind, id), body } as const
  await sendPatiently(caller.client, request, caller.signal, caller.onRetry)
}

/** Removes a registration; one that is gone already is no error. */
export async function remove(caller: Caller, { kind, id }: Registered): Promise<void> {
  try {
    const request = { method: 'DELETE', ...pathOf(kind, id) } as const
    await sendPatiently(caller.client, request, caller.signal, caller.onRetry)
  } catch (error) {
    if (!(error instanceof CxoneRefusal && error.status === 404)) throw error
  }
}

function pathOf(kind: Kind, id: string): { route: string; path: string } {
  const { route } = KINDS[kind]
  return { route: `${route}/{id}`, path: `${route}/${encodeURIComponent(id)}` }
}

type Item = Pick<Registered, 'id' | 'name' | 'fields'>

function itemsIn(answer: unknown, route: string): Item[] {
  const list = Array.isArray(answer) ? answer : LISTS.map((name) => fieldOf(answer, name)).find(Array.isArray)
  if (!list)
    throw new Error(
      `The answer to GET ${route} has no list: expected an array, or one of ${LISTS.join(', ')}`,
    )
  return list.map((item: unknown) => {
    const id = IDS.map((name) => fieldOf(item, name)).find(
      (id) => typeof id === 'string' || typeof id === 'number',
    )
    if (id === undefined) throw new Error(`The answer to GET ${route} has an item without an id`)
    const fields = item as Readonly<Record<string, unknown>>
    return { id: String(id), name: textOf(fields, 'name'), fields }
  })
}

function nextPage(answer: unknown, route: string, page: number, apiUrl: string): string | undefined {
  const link = LINKS.map((name) => fieldOf(answer, name)).find(
    (link) => typeof link === 'string' && link !== '',
  )
  if (typeof link === 'string') {
    // Never to another host: the request has the token.
    const path = link.startsWith(`${apiUrl}/`) ? link.slice(apiUrl.length) : link
    if (path.startsWith(route)) return path
    throw new Error(
      `The answer to GET ${route} has a link to its next page that does not begin with ${apiUrl}${route}`,
    )
  }
  const pages = COUNTS.map((name) => fieldOf(answer, name)).find((count) => typeof count === 'number') ?? 1
  return Number(pages) > page ? `${route}?pageNumber=${page + 1}` : undefined
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function textOf(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}
