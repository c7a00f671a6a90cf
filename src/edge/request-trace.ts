import {
  ATTRIBUTE,
  MESSAGING_SYSTEM,
  OPERATION,
  OPERATION_TYPE,
  requestSpan,
  streamSpan,
} from '../telemetry/names.js'
import type { Span, SpanLink, Tracing } from '../telemetry/tracing.js'
import type { HttpRequest } from './http/http.js'

/** What the headers of a request say. */
export interface TracedRequest {
  /** Path of the matching route; `undefined` where there is none. */
  readonly route?: string
  /** Name of the contract. */
  readonly source?: string
  /** The sender's id of this delivery. */
  readonly delivery?: string
  /** The sender's own span. It is only linked: a sender does not decide what is traced here. */
  readonly sender?: SpanLink
}

/** Methods that a span's name may contain: a short list, so that names stay few. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])

/** Maximum length of a path that matches no route. */
const PATH_CHARACTERS = 200

/** The code of a request whose sender disconnected. */
const ABORTED = 'aborted'

/** The spans of one traced request: from its headers to its answer, and from the queue to Redis' reply. */
export class RequestTrace {
  #server: Span | undefined
  #append: Span | undefined

  constructor(
    private readonly tracing: Tracing,
    request: HttpRequest,
    { route, source, delivery, sender }: TracedRequest = {},
  ) {
    const method = METHODS.has(request.method) ? request.method : undefined
    const attributes = {
      [ATTRIBUTE.method]: method ?? '_OTHER',
      [ATTRIBUTE.urlScheme]: 'http',
      [ATTRIBUTE.urlPath]: request.path.slice(0, PATH_CHARACTERS),
      [ATTRIBUTE.route]: route,
      [ATTRIBUTE.source]: source,
      [ATTRIBUTE.delivery]: delivery || undefined,
    }
    const links = sender?.traceparent ? [sender] : []
    this.#server = tracing.startSpan(requestSpan(method ?? 'HTTP', route), 'server', { attributes, links })
  }

  /**
   * The whole body has arrived and waits for Redis.
   * @returns the `traceparent` for the entry, so that its processing belongs to this trace
   */
  queued(bytes: number): string {
    this.#server?.set({ [ATTRIBUTE.requestBytes]: bytes })
    this.#append = this.tracing.startSpan(OPERATION.append, 'producer', {
      parent: this.#server,
      attributes: {
        [ATTRIBUTE.messagingSystem]: MESSAGING_SYSTEM,
        [ATTRIBUTE.operationName]: OPERATION.append,
        [ATTRIBUTE.operationType]: OPERATION_TYPE.append,
        [ATTRIBUTE.messageBytes]: bytes,
      },
    })
    return this.#append.traceparent
  }

  /**
   * Redis has stored the request.
   * @param stream its key
   * @param entry `<partition>/<entry id>`; unknown for a dead letter
   */
  kept(stream: string, entry?: string): void {
    this.#append?.rename(streamSpan('append', stream))
    this.#append?.end({ [ATTRIBUTE.destination]: stream, [ATTRIBUTE.messageId]: entry })
    this.#append = undefined
  }

  accepted(): void {
    this.#server?.end({ [ATTRIBUTE.statusCode]: 202 })
    this.#server = undefined
  }

  /** The edge gave up the wait for Redis, with the code of the sender's answer. */
  lost(code: string): void {
    this.#append?.fail(code)
    this.#append = undefined
  }

  /** @param status of the answer: by the conventions only 500 and above are errors of the server */
  refused(code: string, status: number): void {
    const attributes = { [ATTRIBUTE.statusCode]: status, [ATTRIBUTE.rejectedReason]: code }
    if (status < 500) this.#server?.end(attributes)
    else this.#server?.fail(code, attributes)
    this.#server = undefined
  }

  /** The sender disconnected before the answer. */
  aborted(): void {
    this.#server?.fail(ABORTED)
    this.#server = undefined
  }
}
