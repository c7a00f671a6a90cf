import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Fault, Faults, limited } from './faults.js'
import { Interactions } from './interactions.js'
import { Registrations } from './registrations.js'
import type { Reply } from './reply.js'
import { type Call, ROUTES, routeOf } from './routes.js'
import { type Grant, Tokens } from './tokens.js'

/** A request that the stand-in for CXone received. */
export interface ReceivedRequest {
  /** Such as `PUT /api/v2/webhooks/{id}`. */
  readonly route: string
  readonly path: string
  /** The JSON of the body, or its text. */
  readonly body: unknown
  /** Status of the answer; `undefined` while there is none, and where it was cut. */
  status: number | undefined
}

/** All scopes that the published integrations ask for. */
export const ALL_SCOPES: readonly string[] = [
  ...['webhooks:read', 'webhooks:write', 'dataaction:read', 'dataaction:write'],
  ...['interaction:modify', 'interaction:read', 'dataactions:read'],
]

/** A stand-in for CXone: an HTTP server with its tokens, registrations and interactions, which misbehaves on demand. */
export class CxoneServer {
  readonly tokens: Tokens
  readonly webhooks = new Registrations('/api/v2/webhooks', ['name', 'targetUrl'])
  readonly dataActions = new Registrations('/api/v2/dataactions', ['name', 'endpointUrl', 'format'])
  readonly interactions = new Interactions()
  /** All requests, in the order of their arrival. */
  readonly requests: ReceivedRequest[] = []
  /** Whether `userinfo` has the scopes as a list, or as a string with spaces. */
  scopesAsList = false
  /** The most token requests that were in work at the same time. */
  mostTokenRequests = 0
  readonly #faults = new Faults()
  readonly #server = createServer((request, response) => void this.#handle(request, response))
  readonly #closing = new AbortController()
  #tokenRequests = 0
  #limit = { until: 0, asDate: false }

  constructor(readonly grant: Grant) {
    this.tokens = new Tokens(grant)
  }

  /** Listens on a port of 127.0.0.1. @param port 0: a free one @returns the base that `/api/v2/` follows */
  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    return this.url
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get tokenUrl(): string {
    return `${this.url}/oauth2/token`
  }

  /** Lets the next requests of a route go wrong. @param route such as `GET /api/v2/webhooks`; `*`: any */
  misbehave(route: string, fault: Fault, times = 1): void {
    this.#faults.add(route, fault, times)
  }

  /** Answers 429 to all requests for some time. @param asDate whether `Retry-After` is a date instead of seconds */
  limitFor(ms: number, asDate = false): void {
    this.#limit = { until: Date.now() + ms, asDate }
  }

  /** The routes of the requests so far, with the status of each answer. */
  log(): string[] {
    return this.requests.map(({ route, status }) => `${route} ${status ?? 'none'}`)
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    this.#closing.abort()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://cxone')
    const { route, id } = routeOf(request.method ?? '', url.pathname)
    const isToken = route === 'POST /oauth2/token'
    if (isToken) this.mostTokenRequests = Math.max(this.mostTokenRequests, ++this.#tokenRequests)
    try {
      const body = await text(request)
      const received: ReceivedRequest = { route, path: url.pathname, body: jsonOr(body), status: undefined }
      this.requests.push(received)
      const work = () =>
        isToken
          ? this.tokens.issue(request.headers['content-type'] ?? '', body)
          : this.#answer({ id, query: url.searchParams, body: received.body }, route, request)
      await this.#reply(this.#limitation() ?? this.#faults.take(route), work, received, response)
    } catch {
      // The client went away, or the server closes: there is no one to answer.
      response.destroy()
    } finally {
      if (isToken) this.#tokenRequests--
    }
  }

  #answer(call: Call, route: string, { headers }: IncomingMessage): Reply {
    const scopes = this.tokens.scopesOf(headers.authorization?.replace(/^Bearer /, '') ?? '')
    if (!scopes) return { status: 401, body: { message: 'The token is not valid' } }
    const known = ROUTES.get(route)
    if (!known) return { status: 404, body: { message: `There is no ${route}` } }
    if (known.scope !== undefined && !scopes.includes(known.scope))
      return { status: 403, body: { message: `The token lacks ${known.scope}` } }
    return known.work(this, call, scopes)
  }

  #limitation(): Fault | undefined {
    const { until, asDate } = this.#limit
    const left = until - Date.now()
    if (left <= 0) return undefined
    const seconds = Math.ceil(left / 1_000)
    return limited(asDate ? new Date(Date.now() + seconds * 1_000).toUTCString() : String(seconds))
  }

  async #reply(
    fault: Fault | undefined,
    work: () => Reply,
    received: ReceivedRequest,
    response: ServerResponse,
  ): Promise<void> {
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'slow') await sleep(fault.ms, undefined, { signal: this.#closing.signal })
    if (fault?.kind === 'answer') {
      received.status = fault.status
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
      response.end(fault.body)
      return
    }
    if (fault?.kind === 'cut' && !fault.applied && fault.at === 'start') return void response.destroy()
    const { status, headers, body } = fault?.kind === 'cut' && !fault.applied ? { status: 200 } : work()
    const usual = body === undefined ? '' : JSON.stringify(body)
    if (fault?.kind === 'cut') {
      if (fault.at === 'start') return void response.destroy()
      response.writeHead(status, { 'content-length': usual.length + 10 })
      response.write(usual.slice(0, usual.length / 2) || '{', () => response.destroy())
      return
    }
    received.status = status
    response.writeHead(status, {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    })
    response.end(fault?.kind === 'altered' ? fault.body(body) : usual)
  }
}

function jsonOr(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}
