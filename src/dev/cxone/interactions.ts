import { type Reply, refuse } from './reply.js'

/** One request of a batch, and its result. */
export interface Update {
  readonly interactionId: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: number
}

/** The interactions of the stand-in for CXone. Every id exists, unless it is refused. */
export class Interactions {
  /** Attributes by interaction, as the updates have left them. */
  readonly attributes = new Map<string, Record<string, unknown>>()
  /** Every update in its order, refused ones too. */
  readonly updates: Update[] = []
  readonly #refused = new Map<string, { readonly status: number; readonly message: string }>()

  /** From now on updates of this interaction get this status. 200 lifts it. */
  refuse(interactionId: string, status: number, message: string): void {
    if (status === 200) this.#refused.delete(interactionId)
    else this.#refused.set(interactionId, { status, message })
  }

  /** Answers `PATCH /api/v2/interactions/batch`. */
  batch(body: unknown): Reply {
    const { requests } = (body ?? {}) as { requests?: unknown }
    if (!Array.isArray(requests) || requests.length > 25) return refuse(400, 'requests must be a list of 25')
    return { status: 200, body: { results: requests.map((request) => this.#apply(request)) } }
  }

  #apply(request: { method?: string; path?: string; body?: { attributes?: Record<string, unknown> } }) {
    const [, encoded] = /^\/api\/v2\/interactions\/([^/]+)$/.exec(request.path ?? '') ?? []
    const attributes = request.body?.attributes
    if (request.method !== 'PATCH' || encoded === undefined || !attributes)
      return { status: 400, message: 'Not a PATCH of the attributes of an interaction' }
    const interactionId = decodeURIComponent(encoded)
    const refused = this.#refused.get(interactionId)
    this.updates.push({ interactionId, attributes, status: refused?.status ?? 200 })
    if (refused) return refused
    this.attributes.set(interactionId, { ...this.attributes.get(interactionId), ...attributes })
    return { status: 200 }
  }
}
