import type { HttpRequest } from 'uWebSockets.js'

/** A delivery id is for people and logs: nobody needs more of it. */
const DELIVERY_CHARACTERS = 200

/** What the edge wants to know of a request's headers. */
export interface Head {
  /** Bytes of the body as announced; `undefined` where it comes in chunks, or not at all. */
  readonly length: number | undefined
  /** Whether another server on the way may see another length in these headers: request smuggling. */
  readonly ambiguous: boolean
  /** Empty where there is none. */
  readonly signature: string
  /** The sender's id of this delivery; empty where it gave none. */
  readonly delivery: string
}

/**
 * Reads the headers in one pass, which is also the only way to see one that is there twice. It has to happen
 * before the handler returns: the request lives on the stack.
 * @param signatureHeader in lower case
 */
export function readHead(req: HttpRequest, signatureHeader: string): Head {
  let length: number | undefined
  let ambiguous = false
  let signature = ''
  let webhookId = ''
  let nexusId = ''
  let requestId = ''
  req.forEach((name, value) => {
    switch (name) {
      case 'content-length':
        ambiguous ||= length !== undefined
        length = Number(value)
        break
      case 'transfer-encoding':
        // uWebSockets.js reads chunks, whatever the header says.
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
      case signatureHeader:
        signature = value
    }
  })
  const delivery = (webhookId || nexusId || requestId).slice(0, DELIVERY_CHARACTERS)
  return { length, ambiguous, signature, delivery }
}
