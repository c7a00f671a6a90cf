import type { Credentials } from './auth/auth-error.js'
import type { HttpRequest } from './http/http.js'

/** Maximum length of a delivery id: it only serves people and logs. */
const DELIVERY_CHARACTERS = 200

/** What the edge reads from a request's headers. */
export interface Head {
  /** Announced bytes of the body; `undefined` for a chunked body or none. */
  readonly length: number | undefined
  /** Whether a proxy may read another length from these headers: request smuggling. */
  readonly ambiguous: boolean
  /** The values of the requested headers, in the same order; `undefined` where there is none. */
  readonly credentials: Credentials
  /** Index of a requested header that is repeated; -1 where none is. */
  readonly repeated: number
  /** The sender's id of this delivery; empty where there is none. */
  readonly delivery: string
  /** The sender's `traceparent`; empty where there is none. */
  readonly traceparent: string
  readonly tracestate: string
}

/**
 * Reads the headers in one pass, the only way to detect a repeated one. Call it before the handler returns: after
 * that the headers are not available.
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
        // Two servers may both read chunks although the header lists more than that.
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
