import type { Interactions } from './interactions.js'
import type { Registrations } from './registrations.js'
import type { Reply } from './reply.js'

/** What a request asks for. */
export interface Call {
  /** The last part of the path, where it is an id. */
  readonly id: string
  readonly query: URLSearchParams
  readonly body: unknown
}

/** What the routes work on. */
interface Kept {
  readonly webhooks: Registrations
  readonly dataActions: Registrations
  readonly interactions: Interactions
  readonly scopesAsList: boolean
}

interface Route {
  /** Scope that its token needs. */
  readonly scope?: string
  readonly work: (kept: Kept, call: Call, scopes: readonly string[]) => Reply
}

/** Every route with a token, such as `PUT /api/v2/webhooks/{id}`. */
export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['GET /api/v2/oauth2/userinfo', { work: userinfo }],
  ['PATCH /api/v2/interactions/batch', { scope: 'interaction:modify', work: patchInteractions }],
  ...registrationRoutes('/api/v2/webhooks', 'webhooks', ({ webhooks }) => webhooks),
  ...registrationRoutes('/api/v2/dataactions', 'dataaction', ({ dataActions }) => dataActions),
])

/** The route of a request, with `{id}` for the id of a webhook or data action. */
export function routeOf(method: string, path: string): { route: string; id: string } {
  const [, list, id] = /^(\/api\/v2\/(?:webhooks|dataactions))\/([^/]+)$/.exec(path) ?? []
  return {
    route: `${method} ${list === undefined ? path : `${list}/{id}`}`,
    id: decodeURIComponent(id ?? ''),
  }
}

function userinfo({ scopesAsList }: Kept, _: Call, scopes: readonly string[]): Reply {
  return { status: 200, body: { sub: 'client', scope: scopesAsList ? scopes : scopes.join(' ') } }
}

function patchInteractions({ interactions }: Kept, { body }: Call): Reply {
  return interactions.batch(body)
}

function registrationRoutes(
  path: string,
  scopes: string,
  of: (kept: Kept) => Registrations,
): (readonly [string, Route])[] {
  const [read, write] = [`${scopes}:read`, `${scopes}:write`]
  return [
    [`GET ${path}`, { scope: read, work: (kept, { query }) => of(kept).list(query) }],
    [`POST ${path}`, { scope: write, work: (kept, { body }) => of(kept).create(body) }],
    [`PUT ${path}/{id}`, { scope: write, work: (kept, { id, body }) => of(kept).replace(id, body) }],
    [`DELETE ${path}/{id}`, { scope: write, work: (kept, { id }) => of(kept).remove(id) }],
  ]
}
