import type { HttpRequest as UwsHead, HttpResponse as UwsResponse, us_listen_socket } from 'uWebSockets.js'
import {
  CONTENT_TYPE,
  type HttpAnswer,
  type HttpHandler,
  type HttpRequest,
  type HttpServer,
  type HttpServerOptions,
  type RequestWatcher,
  type StartHttpServer,
} from './http.js'

/** The package uWebSockets.js. */
export type UWebSockets = typeof import('uWebSockets.js')

declare module 'uWebSockets.js' {
  interface TemplatedApp {
    /** Reports every connection: 1 when it is open, -1 when it is closed. The package's own types leave it out. */
    filter(handler: (res: HttpResponse, change: number) => void): TemplatedApp
    /** The native code takes host, port and options together; the package's own types leave this form out. */
    listen(
      host: RecognizedString,
      port: number,
      options: ListenOptions,
      cb: (listenSocket: us_listen_socket | false) => void,
    ): TemplatedApp
  }
}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it (SO_REUSEPORT) a second server silently gets half of the connections. */
const EXCLUSIVE_PORT = 1
const SHARED_PORT = 0

/**
 * The edge's HTTP server on uWebSockets.js. A request costs one object more than in the package itself. The package
 * itself answers what is not HTTP, in HTML or by closing the connection: docs/contracts.md has the table.
 */
export function startUws(uws: UWebSockets): StartHttpServer {
  return async (options) => {
    const app = uws.App()
    app.filter(limitConnections(options))
    for (const { path, post, other } of options.routes) {
      app.post(path, adapted(post))
      app.any(path, adapted(other))
    }
    app.any('/*', adapted(options.fallback))
    const { host, port, reusePort } = options
    const socket = await new Promise<us_listen_socket | false>((resolve) => {
      app.listen(host, port, reusePort ? SHARED_PORT : EXCLUSIVE_PORT, resolve)
    })
    if (!socket) {
      app.close()
      throw new Error('another process has the port, or the host is no address of this machine')
    }
    const server: HttpServer = {
      port: uws.us_socket_local_port(socket),
      stopListening: () => uws.us_listen_socket_close(socket),
      closeConnections: () => void app.close(),
    }
    return server
  }
}

function adapted(handle: HttpHandler) {
  return (res: UwsResponse, head: UwsHead) => handle(new UwsRequest(res, head))
}

/** Costs a request nothing. */
function limitConnections({ maxConnections, onConnection, onTurnedAway }: HttpServerOptions) {
  let open = 0
  return (res: UwsResponse, change: number) => {
    open += change
    onConnection(change)
    if (change < 0 || open <= maxConnections) return
    // uWebSockets.js calls this function again at once, with -1.
    res.close()
    onTurnedAway()
  }
}

class UwsRequest implements HttpRequest {
  constructor(
    private readonly res: UwsResponse,
    private readonly head: UwsHead,
  ) {}

  get method(): string {
    return this.head.getMethod().toUpperCase()
  }

  get path(): string {
    return this.head.getUrl()
  }

  eachHeader(visit: (name: string, value: string) => void): void {
    this.head.forEach(visit)
  }

  readBody(read: (part: Uint8Array, isLast: boolean) => void): void {
    this.res.onData((part, isLast) => read(new Uint8Array(part), isLast))
  }

  watch(watcher: RequestWatcher): void {
    this.res.onAborted(() => watcher.aborted())
  }

  /** Costs one closure; cork combines the writes into one. */
  answer({ status, headers, body, close, withoutBody }: HttpAnswer): void {
    const { res } = this
    res.cork(() => {
      res.writeStatus(status).writeHeader('Content-Type', CONTENT_TYPE)
      for (let i = 0; i < headers.length; i += 2) res.writeHeader(headers[i] ?? '', headers[i + 1] ?? '')
      // Where the connection closes, a body after the answer to HEAD misleads no client.
      if (withoutBody && !close) res.endWithoutBody()
      else res.end(body, close)
    })
  }
}
