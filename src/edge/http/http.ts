import type { ErrorCode } from '../error-response.js'

/** Which HTTP server the edge runs on: uWebSockets.js, or Node's own `node:http`. */
export type HttpName = 'uws' | 'node'

/** A request and the way to answer it. Its head can be read only until its handler returns. */
export interface HttpRequest {
  /** In upper case. */
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Calls `visit` for every header line in order, also for repeated ones. The names are in lower case. */
  eachHeader(visit: (name: string, value: string) => void): void
  /**
   * Delivers the body, part by part; the last part may be empty. Without a call, the server skips the body.
   * @param read called with a part, which is valid until `read` returns
   */
  readBody(read: (part: Uint8Array, isLast: boolean) => void): void
  /** Sets who is called when the request ends without an answer of the edge. Call it before the handler returns. */
  watch(watcher: RequestWatcher): void
  /** Sends the answer in one write. Call it once, and never after {@link RequestWatcher.aborted}. */
  answer(answer: HttpAnswer): void
}

/** Called with what happens to a request before its answer. */
export interface RequestWatcher {
  /** The connection closed. The request must not be used any more. */
  aborted(): void
  /** The rest of the body is not HTTP: refuse the request with this code. */
  malformed(code: ErrorCode): void
}

/** An answer with a JSON body. */
export interface HttpAnswer {
  /** Code and reason phrase: `202 Accepted`. */
  readonly status: string
  /** More headers: name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: string
  /** Whether the connection closes after the answer. */
  readonly close: boolean
  /** Whether only the headers are sent, as for HEAD. */
  readonly withoutBody: boolean
}

/** The handlers of one path. */
export interface HttpRoute {
  /** Compared byte for byte. */
  readonly path: string
  readonly post: HttpHandler
  /** For every other method. */
  readonly other: HttpHandler
}

export type HttpHandler = (request: HttpRequest) => void

export interface HttpServerOptions {
  readonly host: string
  /** 0 chooses a free port. */
  readonly port: number
  /** Whether other processes may listen on the same port: Linux spreads the connections over them. */
  readonly reusePort: boolean
  readonly maxConnections: number
  readonly routes: readonly HttpRoute[]
  /** For requests of every other path. */
  readonly fallback: HttpHandler
  /** Called when the number of open connections changes, with 1 or -1. */
  readonly onConnection: (change: number) => void
  /** Called when a connection was closed because `maxConnections` are open. Its sender gets no answer. */
  readonly onTurnedAway: () => void
  /** Called when the server cannot read a request's head. @returns the answer before the connection closes */
  readonly onMalformed: (code: ErrorCode) => HttpAnswer
}

/** A server that listens. */
export interface HttpServer {
  readonly port: number
  /** Stops accepting connections. Open ones stay. */
  stopListening(): void
  /** Closes every connection at once. */
  closeConnections(): void
}

/** Starts a server. @throws Error where it cannot listen on the port; its message says why */
export type StartHttpServer = (options: HttpServerOptions) => Promise<HttpServer>

/** Every answer of the edge is JSON. */
export const CONTENT_TYPE = 'application/json'
