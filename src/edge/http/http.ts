import type { ErrorCode } from '../error-response.js'

/** Which HTTP server the edge runs on: uWebSockets.js, or Node's own `node:http`. */
export type HttpName = 'uws' | 'node'

/** A request and the way to answer it. What is read from its head is there only until its handler returns. */
export interface HttpRequest {
  /** In upper case. */
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Calls `visit` for every header line in order, also for repeated ones. The names are in lower case. */
  eachHeader(visit: (name: string, value: string) => void): void
  /**
   * Hands over the body, part by part; the last part may be empty. Where nothing reads it, the server skips it.
   * @param read gets a part, which is valid until `read` returns
   */
  readBody(read: (part: Uint8Array, isLast: boolean) => void): void
  /** Names who learns how the request ends without an answer of the edge. Call it before the handler returns. */
  watch(watcher: RequestWatcher): void
  /** Sends the answer in one write. Call it once, and never after {@link RequestWatcher.aborted}. */
  answer(answer: HttpAnswer): void
}

/** Learns what happens to a request before it is answered. */
export interface RequestWatcher {
  /** The connection is closed. The request must not be touched any more. */
  aborted(): void
  /** The rest of the body is no HTTP: the request is to be refused with this code. */
  malformed(code: ErrorCode): void
}

/** An answer with a body of JSON. */
export interface HttpAnswer {
  /** Code and reason phrase: `202 Accepted`. */
  readonly status: string
  /** Further headers: name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: string
  /** Whether the connection is closed behind the answer. */
  readonly close: boolean
  /** The answer to HEAD has the headers alone. */
  readonly withoutBody: boolean
}

/** What happens to the requests of one path. */
export interface HttpRoute {
  /** Compared byte for byte. */
  readonly path: string
  readonly post: HttpHandler
  /** Every other method. */
  readonly other: HttpHandler
}

export type HttpHandler = (request: HttpRequest) => void

export interface HttpServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Whether other processes may listen on the same port: Linux gives each its share of the connections. */
  readonly reusePort: boolean
  readonly maxConnections: number
  readonly routes: readonly HttpRoute[]
  /** Requests of every other path. */
  readonly fallback: HttpHandler
  /** The number of open connections has changed: 1 or -1. */
  readonly onConnection: (change: number) => void
  /** A connection was closed at once: `maxConnections` are open. The sender sees its end before any answer. */
  readonly onTurnedAway: () => void
  /** The server cannot read a request's head. @returns what the server answers before it closes the connection */
  readonly onMalformed: (code: ErrorCode) => HttpAnswer
}

/** A server that listens. */
export interface HttpServer {
  readonly port: number
  /** Takes no new connections. Open ones stay. */
  stopListening(): void
  /** Closes every connection at once. */
  closeConnections(): void
}

/** Starts a server. @throws Error where the port cannot be had; its message says why */
export type StartHttpServer = (options: HttpServerOptions) => Promise<HttpServer>

/** Every answer of the edge is JSON. */
export const CONTENT_TYPE = 'application/json'
