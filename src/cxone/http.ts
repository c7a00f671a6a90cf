import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { Applied } from './errors.js'

/** Idle connections are closed after this time, in ms: before the server closes them under a request. */
const IDLE_MS = 4_000
/** Most connections to one host. */
const MOST_CONNECTIONS = 16
/** Largest answer, in bytes. That of a batch has a few kilobytes, a page of registrations some hundred. */
const MOST_BYTES = 4 * 1_048_576

/** A request. */
export interface HttpRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** From the start to the end of the answer, in ms. */
  readonly timeoutMs: number
}

/** A whole answer. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** There was no whole answer. The message has no part of the request or of the answer. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  constructor(
    message: string,
    /** Node's code of the error, or one of ours: `timeout`, `too_large`. */
    readonly code: string,
    readonly applied: Applied,
  ) {
    super(message)
  }
}

/**
 * Keep-alive connections to the hosts of CXone. It is `node:http`, not `fetch`: this limits connections and the size of
 * an answer, closes all of them at once, knows whether a request can have left, and follows no redirect with a token.
 */
export class Http {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: MOST_CONNECTIONS, timeout: IDLE_MS })
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: MOST_CONNECTIONS, timeout: IDLE_MS })

  /**
   * Sends a request once.
   * @throws ConnectionError where no whole answer came in time · the signal's reason once it is aborted
   */
  send(
    { method, url, headers, body = '', timeoutMs }: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    signal.throwIfAborted()
    const isTls = url.protocol === 'https:'
    const options = {
      method,
      agent: isTls ? this.#https : this.#http,
      // Without a body a GET or DELETE has no length either: some servers refuse one.
      headers: { ...headers, ...(body !== '' && { 'content-length': String(Buffer.byteLength(body)) }) },
    }
    return new Promise((resolve, reject) => {
      const sent = (isTls ? httpsRequest : httpRequest)(url, options)
      const isOpen = watchOpening(sent)
      const settle = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      }
      // What comes first counts: ending the request makes further errors.
      const fail = (why: unknown) => {
        settle()
        reject(why)
        sent.destroy()
      }
      const timer = setTimeout(() => {
        const message = `there was no whole answer within ${timeoutMs} ms`
        fail(new ConnectionError(message, 'timeout', isOpen() ? 'unknown' : 'no'))
      }, timeoutMs)
      const abort = () => fail(signal.reason)
      const broke = (error: unknown) => fail(asConnectionError(error, isOpen()))
      signal.addEventListener('abort', abort, { once: true })
      sent.on('error', broke)
      sent.on('response', (response) => {
        readAnswer(response).then((answer) => {
          settle()
          resolve(answer)
        }, broke)
      })
      sent.end(body)
    })
  }

  /** Closes all connections, those that wait for an answer too. */
  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }
}

/** Whether the connection of a request is open: before that nothing of the request has left. */
function watchOpening(sent: ClientRequest): () => boolean {
  let isOpen = false
  const open = () => {
    isOpen = true
  }
  sent.on('socket', (socket) => {
    // With TLS it is open only after the handshake, which may refuse the certificate.
    const isTls = socket instanceof TLSSocket
    const opening = isTls ? socket.alpnProtocol === null : socket.connecting
    if (opening) socket.once(isTls ? 'secureConnect' : 'connect', open)
    else open()
  })
  return () => isOpen
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MOST_BYTES)
      throw new ConnectionError(`the answer has more than ${MOST_BYTES} bytes`, 'too_large', 'unknown')
    chunks.push(chunk)
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString('utf8'),
  }
}

function asConnectionError(error: unknown, isOpen: boolean): ConnectionError {
  if (error instanceof ConnectionError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const what = isOpen ? 'the connection broke before the whole answer came' : 'there is no connection'
  return new ConnectionError(`${what} (${code ?? message})`, code ?? 'error', isOpen ? 'unknown' : 'no')
}
