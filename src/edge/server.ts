import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Producer } from '../stream/producer.js'
import { GroupCommit } from './append.js'
import type { BodyLimits } from './body.js'
import { Exchange } from './exchange.js'
import { type GuardedContract, type Log, receiver } from './receive.js'
import { type EdgeStats, Traffic } from './traffic.js'
import { loadUWebSockets } from './uwebsockets.js'

export interface EdgeOptions extends BodyLimits {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly contracts: readonly GuardedContract[]
  readonly producer: Producer
  /** Bytes of bodies that may be in memory before requests are refused. */
  readonly bufferBytes: number
  /** How long Redis may take to keep a request before it is refused, in ms. */
  readonly appendTimeoutMs: number
  /** Is told why Redis did not take what was sent, once a call; the senders are answered 503 whatever it is. */
  readonly onError: (error: unknown) => void
}

/** An HTTP server that puts webhooks into the log. */
export interface Edge {
  readonly port: number
  /** Whether it takes new connections: false as soon as it stops. */
  readonly ready: boolean
  stats(): EdgeStats
  /**
   * Takes no new connections, answers what is in flight and what still comes on open ones, and closes them.
   * A body that is still on its way may take as long as `bodyTimeoutMs`.
   */
  stop(): Promise<void>
}

/** How long nothing has to happen on the open connections before a stopping edge cuts them, in ms. */
const QUIET_MS = 100

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it a second server silently gets half of the connections. */
const EXCLUSIVE_PORT = 1

/**
 * Starts the edge.
 * @throws Error that names the port where it cannot be had, or says why uWebSockets.js does not load
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { host, port, producer, appendTimeoutMs, onError } = options
  const uws = loadUWebSockets()
  const traffic = new Traffic(options.bufferBytes)
  const log: Log = {
    entries: new GroupCommit((entries) => producer.append(entries), appendTimeoutMs, onError),
    letters: new GroupCommit((letters) => producer.bury(letters), appendTimeoutMs, onError),
  }

  const app = uws.App()
  for (const guarded of options.contracts) {
    app.post(guarded.contract.path, receiver(guarded, options, traffic, log))
    app.any(guarded.contract.path, refuseAll('method_not_allowed', traffic))
  }
  app.any('/*', refuseAll('not_found', traffic))
  const socket = await new Promise<us_listen_socket | false>((resolve) => {
    app.listen(host, port, EXCLUSIVE_PORT, resolve)
  })
  if (!socket) {
    app.close()
    throw new Error(
      `The edge cannot listen on port ${port} of ${host}: another process has the port, or the host is no address ` +
        'of this machine. End the other process, or set PORT (or HOST) to something else.',
    )
  }

  const drain = async () => {
    traffic.closing = true
    uws.us_listen_socket_close(socket)
    await quiet(traffic)
    app.close()
  }
  let drained: Promise<void> | undefined
  return {
    port: uws.us_socket_local_port(socket),
    get ready() {
      return !traffic.closing
    },
    stats: () => traffic.stats(),
    stop: () => {
      drained ??= drain()
      return drained
    },
  }
}

async function quiet(traffic: Traffic): Promise<void> {
  let begun: number
  do {
    begun = traffic.begun
    await sleep(QUIET_MS)
  } while (traffic.inFlight > 0 || traffic.begun !== begun)
}

function refuseAll(code: 'not_found' | 'method_not_allowed', traffic: Traffic) {
  return (res: HttpResponse, req: HttpRequest) =>
    new Exchange(res, traffic).refuse(code, undefined, { head: req.getMethod() === 'head' })
}
