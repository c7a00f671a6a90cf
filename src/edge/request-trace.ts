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

/** What is known of a request by its headers. */
export interface TracedRequest {
  /** The path as it was registered; `undefined` where there is nothing at that path. */
  readonly route?: string
  /** Name of the contract. */
  readonly source?: string
  /** The sender's id of this delivery. */
  readonly delivery?: string
  /** The sender's own span. It is linked only: whoever sends webhooks does not decide what is traced here. */
  readonly sender?: SpanLink
}

/** Methods that may stand in a span's name: there are not many of them, whatever is sent. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])

/** Of a path that somebody made up, nobody needs more. */
const PATH_CHARACTERS = 200

/** The code of a request whose sender went away. */
const ABORTED = 'aborted'

/** The spans of one request that is traced: from its headers to its answer, and from the queue to Redis' reply. */
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
   * The body has come whole and waits for Redis.
   * @returns the `traceparent` that goes with it: what becomes of it is a part of this trace
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
   * Redis has it.
   * @param stream its key
   * @param entry `<partition>/<entry id>`; a dead letter's is not known
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

  /** What waits for Redis is given up, for the reason that the sender is told. */
  lost(code: string): void {
    this.#append?.fail(code)
    this.#append = undefined
  }

  /** @param status of the answer: by the conventions only those from 500 on are errors of the server */
  refused(code: string, status: number): void {
    const attributes = { [ATTRIBUTE.statusCode]: status, [ATTRIBUTE.rejectedReason]: code }
    if (status < 500) this.#server?.end(attributes)
    else this.#server?.fail(code, attributes)
    this.#server = undefined
  }

  /** The sender has gone away, and nobody is answered. */
  aborted(): void {
    this.#server?.fail(ABORTED)
    this.#server = undefined
  }
}
