/** The answer of one kind of refusal. */
interface ErrorResponse {
  /** HTTP status code and reason phrase. */
  readonly status: string
  /** What is wrong and what to do, for a person; an answer may have a more exact message. */
  readonly message: string
  /** Whether the sender is asked to retry after the seconds of `Retry-After`. */
  readonly retry?: true
  /** Whether the connection must close: the start of the next request on it is unknown. */
  readonly close?: true
}

/** Every refusal by its stable code, which senders, counters and dashboards use. */
export const ERROR_RESPONSES = {
  not_found: { status: '404 Not Found', message: 'There is no webhook at this path' },
  method_not_allowed: { status: '405 Method Not Allowed', message: 'A webhook takes POST only' },
  ambiguous_length: {
    status: '400 Bad Request',
    message: 'Give the length of the body by one Content-Length, or by Transfer-Encoding: chunked',
    close: true,
  },
  malformed_request: {
    status: '400 Bad Request',
    message:
      'The request is not HTTP/1.1 as RFC 9112 has it: the line, a header or a chunk is malformed, or there is no single Host',
    close: true,
  },
  headers_too_large: {
    status: '431 Request Header Fields Too Large',
    message: 'The headers are larger than 16 KiB',
    close: true,
  },
  headers_too_slow: {
    status: '408 Request Timeout',
    message: 'The headers took too long to arrive',
    close: true,
  },
  body_too_large: { status: '413 Content Too Large', message: 'The body is too large' },
  body_too_slow: { status: '408 Request Timeout', message: 'The body took too long to arrive', close: true },
  missing_signature: { status: '401 Unauthorized', message: 'Missing webhook signature' },
  invalid_signature: { status: '401 Unauthorized', message: 'Invalid webhook signature' },
  malformed_json: { status: '400 Bad Request', message: 'The body is not JSON' },
  invalid_body: { status: '400 Bad Request', message: 'The body does not have the shape of its contract' },
  overloaded: {
    status: '503 Service Unavailable',
    message: 'The edge has no memory for this request now; send it again',
    retry: true,
  },
  backlogged: {
    status: '503 Service Unavailable',
    message: 'Too many accepted requests wait for delivery; send this one again',
    retry: true,
  },
  timeout: {
    status: '503 Service Unavailable',
    message: 'The request could not be kept in time; send it again',
    retry: true,
  },
  unavailable: {
    status: '503 Service Unavailable',
    message: 'The request could not be kept; send it again',
    retry: true,
  },
} as const satisfies Record<string, ErrorResponse>

/** One of the keys of {@link ERROR_RESPONSES}. */
export type ErrorCode = keyof typeof ERROR_RESPONSES

/** The answer of a refusal. */
export function errorResponseOf(code: ErrorCode): ErrorResponse {
  return ERROR_RESPONSES[code]
}
