import { type Reply, refuse } from './reply.js'

/** How a list is answered: whole as an array, or in pages with numbers or with links. */
export type Paging = 'array' | 'numbers' | 'links'

/** A webhook or data action as the stand-in for CXone keeps it. */
export type Registration = Readonly<Record<string, unknown>> & { readonly id: string }

/** The webhooks, or the data actions, of the stand-in for CXone. Names need not be unique. */
export class Registrations {
  readonly #kept = new Map<string, Registration>()
  #count = 0
  paging: Paging = 'array'
  pageSize = 2

  /**
   * @param path of the list
   * @param required fields of text that a new one must have
   */
  constructor(
    private readonly path: string,
    private readonly required: readonly string[],
  ) {}

  /** All of them, in the order of their creation. */
  all(): Registration[] {
    return [...this.#kept.values()]
  }

  /** Answers a list. @param query of the request */
  list(query: URLSearchParams): Reply {
    if (this.paging === 'array') return { status: 200, body: this.all() }
    const page = Number(query.get('pageNumber') ?? query.get('cursor') ?? 1)
    const entities = this.all().slice((page - 1) * this.pageSize, page * this.pageSize)
    const pageCount = Math.max(1, Math.ceil(this.#kept.size / this.pageSize))
    if (this.paging === 'numbers')
      return { status: 200, body: { entities, pageNumber: page, pageSize: this.pageSize, pageCount } }
    const more = page < pageCount
    return {
      status: 200,
      body: { items: entities, nextPage: more ? `${this.path}?cursor=${page + 1}` : null },
    }
  }

  /** Adds one. */
  create(body: unknown): Reply {
    const wrong = this.#wrong(body)
    if (wrong) return wrong
    const created: Registration = { ...(body as object), id: `r-${++this.#count}` }
    this.#kept.set(created.id, created)
    return { status: 201, body: created }
  }

  /** Replaces one. */
  replace(id: string, body: unknown): Reply {
    if (!this.#kept.has(id)) return refuse(404, `There is no ${id}`)
    const wrong = this.#wrong(body)
    if (wrong) return wrong
    const replaced: Registration = { ...(body as object), id }
    this.#kept.set(id, replaced)
    return { status: 200, body: replaced }
  }

  /** Removes one. */
  remove(id: string): Reply {
    return this.#kept.delete(id) ? { status: 204 } : refuse(404, `There is no ${id}`)
  }

  #wrong(body: unknown): Reply | undefined {
    const record = (typeof body === 'object' ? body : null) as Record<string, unknown> | null
    const missing = this.required.filter((field) => typeof record?.[field] !== 'string')
    return missing.length > 0 ? refuse(400, `${missing.join(', ')} must be text`) : undefined
  }
}
