/** What the stand-in for CXone does to a request in place of its work. */
export type Fault =
  /** Answers this, and applies nothing. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  /** Works as usual, but answers only after this time. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Applies nothing, and never answers. */
  | { readonly kind: 'hang' }
  /** Ends the connection before the answer or in its middle, so that the client does not know what was applied. */
  | { readonly kind: 'cut'; readonly applied: boolean; readonly at: 'start' | 'middle' }
  /** Applies the request, and answers something else than the usual body. */
  | { readonly kind: 'altered'; readonly body: (usual: unknown) => string }

/** 401: the token ended before its time. */
export const UNAUTHORIZED: Fault = answer(401, { message: 'The token is not valid' })
/** 403: a scope is missing. */
export const FORBIDDEN: Fault = answer(403, { message: 'The token lacks a scope' })
/** 409: another change was quicker. */
export const CONFLICT: Fault = answer(409, { message: 'It exists already' })
/** 500, in JSON. */
export const BROKEN: Fault = answer(500, { message: 'Internal error' })
/** 502 of a proxy, in HTML. */
export const BAD_GATEWAY: Fault = {
  kind: 'answer',
  status: 502,
  headers: { 'content-type': 'text/html' },
  body: `<html><head><style>b { color: red }</style><title>502</title></head><body><b>Bad\n Gateway</b>${'<p>&nbsp;</p>'.repeat(500)}</body></html>`,
}
/** The answer is not whole JSON. */
export const GARBAGE: Fault = { kind: 'altered', body: (usual) => JSON.stringify(usual).slice(0, -1) }
/** The answer has far more bytes than any client needs. */
export const HUGE: Fault = { kind: 'altered', body: () => JSON.stringify(' '.repeat(5_000_000)) }

/** 429. @param retryAfter the header's value; left out: without the header */
export function limited(retryAfter?: string): Fault {
  const fault = answer(429, { message: 'Too many requests' })
  return retryAfter === undefined ? fault : { ...fault, headers: { 'retry-after': retryAfter } }
}

function answer(status: number, body: object): Extract<Fault, { kind: 'answer' }> {
  return { kind: 'answer', status, body: JSON.stringify(body) }
}

/** The faults that wait for their requests. */
export class Faults {
  readonly #waiting: { readonly route: string; readonly fault: Fault }[] = []

  /** @param route such as `GET /api/v2/webhooks`, or `*` for any request @param times the fault hits as often */
  add(route: string, fault: Fault, times: number): void {
    for (let n = 0; n < times; n++) this.#waiting.push({ route, fault })
  }

  /** Removes the first fault for this route, and returns it. */
  take(route: string): Fault | undefined {
    const at = this.#waiting.findIndex((one) => one.route === route || one.route === '*')
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0]?.fault
  }
}
