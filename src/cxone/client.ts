import { setMaxListeners } from 'node:events'
import { AccessError, type Applied, CxoneRefusal, CxoneTransient } from './errors.js'
import { ConnectionError, Http, type HttpAnswer } from './http.js'
import { CLOCK, type Clock, fullJitterMs, Pace } from './pace.js'
import { parseRetryAfter } from './retry-after.js'
import type { Observe } from './telemetry.js'
import { type Issued, TokenSource } from './token.js'
import { wordsOf } from './words.js'

/** What the client needs to know. */
export interface CxoneOptions {
  /** The part of CXone's URLs before `/api/v2/`, without a slash at its end. */
  readonly apiUrl: string
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  /** Scopes to ask for; left out where the token endpoint decides. */
  readonly scopes?: string | undefined
  /** Most requests per second. */
  readonly rate: number
  /** From the start of a request to the end of its answer, in ms. */
  readonly timeoutMs: number
  readonly observe?: Observe
  readonly clock?: Clock
}

/** A request to CXone's API. */
export interface CxoneRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path from `/api/v2/` on, with `{id}` for ids: for messages and telemetry. */
  readonly route: string
  /** The path itself, with its query; default: the route. */
  readonly path?: string
  /** Sent as JSON. */
  readonly body?: unknown
  /** `traceparent` of the work that it belongs to. */
  readonly parent?: string | undefined
}

/** An HTTP request that is ready, but for its token. */
interface Ready {
  readonly method: string
  readonly route: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly parent: string | undefined
}

interface Answer extends HttpAnswer {
  /** How long all requests are held because of it, in ms. */
  readonly waitMs: number | undefined
}

/** Calls CXone: with a token, at most `rate` requests a second, and none while CXone wants to be left alone. */
export class CxoneClient {
  readonly #http = new Http()
  readonly #pace: Pace
  readonly #tokens: TokenSource
  readonly #now: () => number
  /** Answers 429 in a row. */
  #limited = 0

  constructor(private readonly options: CxoneOptions) {
    const { rate, clock = CLOCK } = options
    this.#pace = new Pace(rate, clock)
    this.#now = () => clock.now()
    this.#tokens = new TokenSource((signal) => this.#askForToken(signal).catch(notSent), this.#now)
  }

  /** The base that paths follow. */
  get apiUrl(): string {
    return this.options.apiUrl
  }

  /**
   * Sends a request once, and once more with a new token where CXone refuses the token.
   * @returns the JSON of the answer; `undefined` where it is empty
   * @throws CxoneTransient it may work later · CxoneRefusal this request never will · AccessError no request will ·
   * the signal's reason once it is aborted
   */
  async send(request: CxoneRequest, signal: AbortSignal): Promise<unknown> {
    // Any number of requests may wait with the same signal: that is no leak.
    setMaxListeners(0, signal)
    const ready: Ready = {
      method: request.method,
      route: request.route,
      url: new URL(`${this.options.apiUrl}${request.path ?? request.route}`),
      headers: request.body === undefined ? {} : { 'content-type': 'application/json' },
      body: request.body === undefined ? undefined : JSON.stringify(request.body),
      parent: request.parent,
    }
    const token = await this.#authorize(signal)
    const answer = await this.#exchange(ready, token, signal)
    if (answer.status !== 401) return this.#judge(answer, ready)
    this.#tokens.discard(token)
    return this.#judge(await this.#exchange(ready, await this.#authorize(signal), signal), ready)
  }

  /** The words of an answer, or of a part of it, for a message: short, without secrets. Empty where it has none. */
  words(text: string): string {
    return wordsOf(text, [this.options.clientSecret, this.#tokens.secret])
  }

  /** Ends all requests. */
  close(): void {
    this.#tokens.close()
    this.#http.close()
  }

  /** Waits for a turn, with a token that is valid then. */
  async #authorize(signal: AbortSignal): Promise<string> {
    for (let round = 1; ; round++) {
      const token = await this.#tokens.get(signal)
      await this.#pace.turn(signal)
      // In a long queue the token may have ended. One with no life at all is tried all the same.
      const valid = this.#tokens.peek()
      if (valid !== undefined || round === 3) return valid ?? token
    }
  }

  async #askForToken(signal: AbortSignal): Promise<Issued> {
    const { tokenUrl, clientId, clientSecret, scopes } = this.options
    const url = new URL(tokenUrl)
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      ...(scopes !== undefined && { scope: scopes }),
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const ready: Ready = {
      ...{ method: 'POST', route: url.pathname, url, headers },
      ...{ body: form.toString(), parent: undefined },
    }
    await this.#pace.released(signal)
    const askedAt = this.#now()
    const answer = await this.#exchange(ready, undefined, signal)
    if (answer.status >= 400 && answer.status < 500 && !isTransient(answer.status)) {
      throw new AccessError(
        `CXone gives no token: ${this.#describe(answer, ready)}. Check CXONE_TOKEN_URL, CXONE_CLIENT_ID, CXONE_CLIENT_SECRET and CXONE_SCOPES`,
        answer.status,
      )
    }
    // The answer is the token: no part of it is quoted.
    const body = this.#judge(answer, ready, () => '')
    const { access_token: token, expires_in: life } = (body ?? {}) as Readonly<Record<string, unknown>>
    if (typeof token !== 'string' || token === '') {
      const message = `CXone gives no token: the answer to ${name(ready)} has no access_token`
      throw new CxoneTransient(message, 'no')
    }
    const seconds = typeof life === 'string' ? Number.parseFloat(life) : life
    const isKnown = typeof seconds === 'number' && seconds >= 0
    return { token, lifeMs: isKnown ? seconds * 1_000 : undefined, askedAt }
  }

  async #exchange(ready: Ready, token: string | undefined, signal: AbortSignal): Promise<Answer> {
    const { method, route, url, body, parent } = ready
    const headers = {
      accept: 'application/json',
      ...ready.headers,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    const startedAt = performance.now()
    const observe = (status: number | undefined, error?: string) => {
      const durationMs = performance.now() - startedAt
      this.options.observe?.({ method, route, host: url.hostname, durationMs, status, error, parent })
    }
    try {
      const { timeoutMs } = this.options
      const answer = await this.#http.send({ method, url, headers, body, timeoutMs }, signal)
      observe(answer.status)
      return { ...answer, waitMs: this.#obeyLimit(answer) }
    } catch (error) {
      observe(undefined, error instanceof ConnectionError ? error.code : 'aborted')
      if (!(error instanceof ConnectionError)) throw error
      const message = `CXone does not answer ${name(ready)}: ${error.message}. Check that ${url.origin} can be reached`
      throw new CxoneTransient(message, error.applied, { cause: error })
    }
  }

  /** Holds all requests where the answer asks for it. @returns for how long, in ms */
  #obeyLimit({ status, headers }: HttpAnswer): number | undefined {
    this.#limited = status === 429 ? this.#limited + 1 : 0
    if (status !== 429 && status !== 503) return undefined
    const asked = parseRetryAfter(headers['retry-after'], headers.date, Date.now())
    const ms = asked ?? (status === 429 ? fullJitterMs(this.#limited) : undefined)
    if (ms !== undefined) this.#pace.hold(ms)
    return ms
  }

  #judge(answer: Answer, ready: Ready, quote = (text: string) => this.words(text)): unknown {
    const { status, text, waitMs } = answer
    if (status >= 200 && status < 300) return parse(text, ready, quote)
    const what = this.#describe(answer, ready)
    if (status === 401) throw new AccessError(`CXone refuses a new token, too: ${what}`, status)
    if (status === 403) throw new AccessError(`CXone does not permit it: ${what}`, status)
    if (status >= 400 && status < 500 && !isTransient(status)) throw new CxoneRefusal(status, what)
    throw new CxoneTransient(what, appliedBy(status), waitMs === undefined ? {} : { retryAfterMs: waitMs })
  }

  #describe({ status, text }: HttpAnswer, ready: Ready): string {
    const words = this.words(text)
    return `CXone answered ${status} to ${name(ready)}${words && `: ${words}`}`
  }
}

/** Without a token the request itself has not left. */
function notSent(error: unknown): never {
  if (!(error instanceof CxoneTransient) || error.applied === 'no') throw error
  const { message, retryAfterMs } = error
  throw new CxoneTransient(message, 'no', {
    cause: error,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function parse(text: string, ready: Ready, quote: (text: string) => string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    const words = quote(text)
    throw new CxoneTransient(`The answer to ${name(ready)} is not JSON${words && `: ${words}`}`, 'unknown')
  }
}

/** 408, 425 and 429 are about the moment, not about the request. */
function isTransient(status: number): boolean {
  return status === 408 || status === 425 || status === 429
}

function appliedBy(status: number): Applied {
  return status >= 500 ? 'unknown' : 'no'
}

function name({ method, route }: Pick<Ready, 'method' | 'route'>): string {
  return `${method} ${route}`
}
