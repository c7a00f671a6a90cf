import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'

/** Idle connections are closed after this time, in ms. The edge closes them after 10 s, which could hit a request. */
const IDLE_MS = 4_000

/** An answer of the server. */
export interface HttpAnswer {
  readonly status: number
  /** `error` of the body, else its `status`, else empty. */
  readonly code: string
  /** Only in a 202: the request's entry in the log, `<partition>/<entry id>`. */
  readonly entry: string | undefined
  /** Time that the server asks to wait before the next attempt, in ms; 0 where it does not. */
  readonly retryAfterMs: number
}

/** Keep-alive connections to one server. */
export interface Connections {
  /**
   * Posts a body once.
   * @throws Error of the connection, or where no answer came in time: then the server may or may not have the request
   */
  post(path: string, headers: Record<string, string>, body: Buffer): Promise<HttpAnswer>
  /** Closes all connections, including those that wait for an answer. */
  close(): void
}

/**
 * Opens keep-alive connections to one server.
 * @param url URL of the server, `http:` or `https:`
 * @param most most connections at a time
 * @param timeoutMs how long a connection may be silent before a request counts as unanswered
 */
export function openConnections(url: string, most: number, timeoutMs: number): Connections {
  const isTls = new URL(url).protocol === 'https:'
  const agent = new (isTls ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: most, timeout: IDLE_MS })
  const request = isTls ? httpsRequest : httpRequest
  return {
    post: (path, headers, body) =>
      new Promise((resolve, reject) => {
        const length = String(body.length)
        const options = {
          method: 'POST',
          agent,
          timeout: timeoutMs,
          headers: { ...headers, 'Content-Length': length },
        }
        const sent = request(new URL(path, url), options, (response) => {
          readAnswer(response).then(resolve, reject)
        })
        sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)))
        sent.on('error', reject)
        sent.end(body)
      }),
    close: () => agent.destroy(),
  }
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const { statusCode = 0, headers } = response
  const entry = headers['tributary-entry']
  return {
    status: statusCode,
    code: readCode(await text(response)),
    entry: typeof entry === 'string' ? entry : undefined,
    retryAfterMs: (Number(headers['retry-after']) || 0) * 1_000,
  }
}

function readCode(body: string): string {
  try {
    const { error, status } = JSON.parse(body) as { error?: unknown; status?: unknown }
    return String(error ?? status ?? '')
  } catch {
    // A proxy before the server may answer in HTML.
    return ''
  }
}
