import type { Credentials } from './auth/auth-error.js'
import type { HttpRequest } from './http/http.js'

/** A delivery id is for people and logs: nobody needs more of it. */
const DELIVERY_CHARACTERS = 200

/** What the edge wants to know of a request's headers. */
export interface Head {
  /** Bytes of the body as announced; `undefined` where it comes in chunks, or not at all. */
  readonly length: number | undefined
  /** Whether another server on the way may see another length in these headers: request smuggling. */
  readonly ambiguous: boolean
  /** The values of the headers that were asked for, in their order; `undefined` where there is none. */
  readonly credentials: Credentials
  /** The place of one that is there more than once; -1 where none is. */
  readonly repeated: number
  /** The sender's id of this delivery; empty where it gave none. */
  readonly delivery: string
  /** What the sender says of its own trace; empty where it says nothing. */
  readonly traceparent: string
  readonly tracestate: string
}

/**
 * Reads the headers in one pass, which is also the only way to see one that is there twice. It has to happen
 * before the handler returns: then the head is gone.
 * @param credentialHeaders in lower case
 */
export function readHead(request: HttpRequest, credentialHeaders: readonly string[]): Head {
  const credentials = new Array<string | undefined>(credentialHeaders.length)
  let length: number | undefined
  let ambiguous = false
  let repeated = -1
  let webhookId = ''
  let nexusId = ''
  let requestId = ''
  let traceparent = ''
  let tracestate = ''
  request.eachHeader((name, value) => {
    const at = credentialHeaders.indexOf(name)
    if (at >= 0) {
      if (credentials[at] !== undefined) repeated = at
      credentials[at] = value
    }
    switch (name) {
      case 'content-length':
        ambiguous ||= length !== undefined
        length = Number(value)
        break
      case 'transfer-encoding':
        // Both servers may read chunks although the header says more than that.
        ambiguous ||= value.toLowerCase() !== 'chunked'
        break
      case 'webhook-id':
        webhookId = value
        break
      case 'x-nexus-delivery-id':
        nexusId = value
        break
      case 'x-request-id':
        requestId = value
        break
      case 'traceparent':
        traceparent = value
        break
      case 'tracestate':
        tracestate = value
    }
  })
  const delivery = (webhookId || nexusId || requestId).slice(0, DELIVERY_CHARACTERS)
  return { length, ambiguous, credentials, repeated, delivery, traceparent, tracestate }
}
