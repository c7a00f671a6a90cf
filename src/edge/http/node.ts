import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import type { ErrorCode } from '../error-response.js'
import { CONTENT_TYPE, type HttpAnswer, type StartHttpServer } from './http.js'
import { NodeConnection } from './node-connection.js'
import { NodeRequest } from './node-request.js'

/** Maximum time for a request's head, and for the wait for a next request, in ms: as in uWebSockets.js. */
const HEAD_MS = 10_000
/** Maximum silence of a connection otherwise, in ms: longer, so that a late head gets its 408. */
const SILENCE_MS = 12_000
/** Interval of the check for slow senders, in ms. */
const LOOK_MS = 1_000

/** Codes of Node's parser for a request whose length is ambiguous. */
const LENGTH_ERRORS = new Set([
  'HPE_INVALID_CONTENT_LENGTH',
  'HPE_UNEXPECTED_CONTENT_LENGTH',
  'HPE_INVALID_TRANSFER_ENCODING',
])

/**
 * The edge's HTTP server on `node:http`, for systems where uWebSockets.js does not load. It serves one request of a
 * connection at a time: if a sender does not wait for its answer, the connection closes after that answer. A
 * malformed request gets its 400 at once, and nothing after it is read.
 */
export const startNode: StartHttpServer = async (options) => {
  const { host, port, reusePort, maxConnections } = options
  const routes = new Map(options.routes.map((route) => [route.path, route]))
  const connections = new Map<Socket, NodeConnection>()
  const server = createServer({
    headersTimeout: HEAD_MS,
    keepAliveTimeout: HEAD_MS,
    // The edge has its own deadline for bodies.
    requestTimeout: 0,
    connectionsCheckingInterval: LOOK_MS,
    // Otherwise Node answers a request without Host by itself, with an empty body.
    requireHostHeader: false,
  })
  server.timeout = SILENCE_MS
  server.maxConnections = maxConnections

  server.on('connection', (socket) => {
    const connection = new NodeConnection(socket)
    connections.set(socket, connection)
    options.onConnection(1)
    socket.once('close', () => {
      connections.delete(socket)
      connection.closed()
      options.onConnection(-1)
    })
  })
  server.on('drop', options.onTurnedAway)
  const handle = (incoming: IncomingMessage, response: ServerResponse) => {
    const connection = connections.get(incoming.socket)
    const request = connection?.begin(new NodeRequest(incoming, response))
    if (!request) return
    if (!request.isWellFormed) return request.answer(options.onMalformed('malformed_request'))
    const route = routes.get(request.path)
    if (!route) options.fallback(request)
    else if (request.method === 'POST') route.post(request)
    else route.other(request)
  }
  server.on('request', handle)
  // Node would answer 417 to an expectation that it does not know.
  server.on('checkExpectation', handle)
  server.on('connect', (_, socket) => socket.end(rawAnswer(options.onMalformed('malformed_request'))))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const connection = connections.get(socket as Socket)
    connection?.fail(codeOf(error), (code) => rawAnswer(options.onMalformed(code)))
  })
  server.on('timeout', (socket) => connections.get(socket)?.silent())
  const looks = setInterval(() => {
    for (const connection of connections.values()) connection.cutIfSlow()
  }, LOOK_MS).unref()

  server.listen({ host, port, ...(reusePort && { reusePort }) })
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    clearInterval(looks)
    throw new Error(explainListen(cause), { cause })
  })
  return {
    port: (server.address() as AddressInfo).port,
    // http.Server's own close also ends idle connections, where a request may be on its way.
    stopListening: () => void NetServer.prototype.close.call(server),
    closeConnections: () => {
      clearInterval(looks)
      // Stops Node's own timer; the server does not listen any more.
      server.close()
      server.closeAllConnections()
    },
  }
}

function codeOf({ code = '' }: NodeJS.ErrnoException): ErrorCode | undefined {
  if (LENGTH_ERRORS.has(code)) return 'ambiguous_length'
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'headers_too_slow'
  // The sender disconnected in the middle of a request.
  if (code === 'HPE_INVALID_EOF_STATE' || !code.startsWith('HPE_')) return undefined
  return 'malformed_request'
}

/** An answer outside of a request, as bytes; the connection closes after it. */
function rawAnswer({ status, headers, body }: HttpAnswer): string {
  const lines = [`HTTP/1.1 ${status}`, `Content-Type: ${CONTENT_TYPE}`, 'Connection: close']
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  return `${lines.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

function explainListen({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') return 'another process has the port'
  if (code === 'EADDRNOTAVAIL') return 'the host is no address of this machine'
  return message
}
