import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'

/** An idle connection is closed before the edge does it (10 s), in ms: else a request could meet its end. */
const IDLE_MS = 4_000

/** What the other side answered. */
export interface HttpAnswer {
  readonly status: number
  /** `error` of the body, else its `status`; empty where it has neither. */
  readonly code: string
  /** Where the log keeps the request, `<partition>/<entry id>`; of a 202. */
  readonly entry: string | undefined
  /** How long to wait before the next attempt, where it says so, in ms. */
  readonly retryAfterMs: number
}

/** Keep-alive connections to one server. */
export interface Connections {
  /**
   * Posts a body once.
   * @throws Error of the connection, or that there was no answer in time: then nobody knows what became of it
   */
  post(path: string, headers: Record<string, string>, body: Buffer): Promise<HttpAnswer>
  /** Ends all connections, also those that wait for an answer. */
  close(): void
}

/**
 * @param url of the server, `http:` or `https:`
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
    // A proxy in between answers in HTML.
    return ''
  }
}
