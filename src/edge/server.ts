import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeadLetter } from '../stream/dead-letter.js'
import type { Appended, Producer } from '../stream/producer.js'
import { type Timing, timed } from '../telemetry/command.js'
import type { EdgeMetrics, RecordRequest } from '../telemetry/edge-metrics.js'
import type { Tracing } from '../telemetry/tracing.js'
import type { Admission } from './admission.js'
import { GroupCommit } from './append.js'
import type { BodyLimits } from './body.js'
import { Exchange } from './exchange.js'
import { type GuardedContract, type Log, receiver } from './receive.js'
import { RequestTrace } from './request-trace.js'
import { type EdgeStats, Traffic } from './traffic.js'
import { loadUWebSockets } from './uwebsockets.js'

export interface EdgeOptions extends BodyLimits {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly contracts: readonly GuardedContract[]
  readonly producer: Producer
  /** Which requests may come in at all. */
  readonly admission: Admission
  /** Decides which requests are traced. */
  readonly tracing: Tracing
  /** Default: nobody is told how long what takes. */
  readonly metrics?: EdgeMetrics | undefined
  /** Connections that may be open; one more is closed at once. */
  readonly maxConnections: number
  /** Whether other processes of this edge listen on the same port: Linux gives each its share of the connections. */
  readonly shared?: boolean
  /** Memory that bodies may take before requests are refused, in bytes. */
  readonly bufferBytes: number
  /** How long Redis may take to keep a request before it is refused, in ms. */
  readonly appendTimeoutMs: number
  /** Is told why Redis did not take what was sent, once a call; the senders are answered 503 whatever it is. */
  readonly onError: (error: unknown) => void
  /** Is told of each connection that is closed because too many are open. */
  readonly onTurnedAway: () => void
}

/** An HTTP server that puts webhooks into the log. */
export interface Edge {
  readonly port: number
  /** Whether it takes new connections: false as soon as it stops. */
  readonly ready: boolean
  stats(): EdgeStats
  /** Of these what is cheap to tell. */
  figures(): Omit<EdgeStats, 'latencyMs'>
  /**
   * Takes no new connections, answers what is in flight and what still comes on open ones, and closes them.
   * A body that is still on its way may take as long as `bodyTimeoutMs`.
   */
  stop(): Promise<void>
}

/** How long nothing has to happen on the open connections before a stopping edge cuts them, in ms. */
const QUIET_MS = 100

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it (SO_REUSEPORT) a second server silently gets half of the connections. */
const EXCLUSIVE_PORT = 1
const SHARED_PORT = 0

/**
 * Starts the edge.
 * @throws Error that names the port where it cannot be had, or says why uWebSockets.js does not load
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { host, port, producer, appendTimeoutMs, onError, tracing, metrics } = options
  const uws = loadUWebSockets()
  const traffic = new Traffic(options.bufferBytes)
  const log: Log = {
    entries: new GroupCommit(
      (entries) => timed(() => producer.append(entries), tellOfAppend(metrics)),
      appendTimeoutMs,
      onError,
    ),
    letters: new GroupCommit(
      (letters) => timed(() => producer.bury(letters), tellOfBurial(metrics, letters)),
      appendTimeoutMs,
      onError,
    ),
  }

  const app = uws.App()
  app.filter(limitConnections(options, traffic))
  for (const guarded of options.contracts) {
    const { path } = guarded.contract
    const record = metrics?.route(path)
    app.post(path, receiver(guarded, options, traffic, options.admission, log, tracing, record))
    app.any(path, refuseAll('method_not_allowed', traffic, tracing, record, path))
  }
  app.any('/*', refuseAll('not_found', traffic, tracing, metrics?.route(undefined)))
  const socket = await new Promise<us_listen_socket | false>((resolve) => {
    app.listen(host, port, options.shared ? SHARED_PORT : EXCLUSIVE_PORT, resolve)
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
    figures: () => traffic.figures(),
    stop: () => {
      drained ??= drain()
      return drained
    },
  }
}

function tellOfAppend(metrics: EdgeMetrics | undefined) {
  return (
    metrics &&
    (({ durationMs }: Timing, appended?: Appended) => metrics.appended(durationMs, appended?.ids.length ?? 0))
  )
}

function tellOfBurial(metrics: EdgeMetrics | undefined, letters: readonly DeadLetter[]) {
  const reasons = (error: unknown) => (error === undefined ? letters.map(({ reason }) => reason) : [])
  return metrics && (({ durationMs, error }: Timing) => metrics.buried(durationMs, reasons(error)))
}

async function quiet(traffic: Traffic): Promise<void> {
  let begun: number
  do {
    begun = traffic.begun
    await sleep(QUIET_MS)
  } while (traffic.inFlight > 0 || traffic.begun !== begun)
}

/** Costs nothing a request. A sender that is turned away sees its connection end before it has an answer. */
function limitConnections({ maxConnections, onTurnedAway }: EdgeOptions, traffic: Traffic) {
  return (res: HttpResponse, change: number) => {
    traffic.connections += change
    if (change < 0 || traffic.connections <= maxConnections) return
    traffic.turnedAway++
    // Comes back here at once, with -1.
    res.close()
    onTurnedAway()
  }
}

function refuseAll(
  code: 'not_found' | 'method_not_allowed',
  traffic: Traffic,
  tracing: Tracing,
  record: RecordRequest | undefined,
  route?: string,
) {
  return (res: HttpResponse, req: HttpRequest) => {
    const exchange = new Exchange(res, traffic, record)
    if (tracing.sample()) {
      exchange.trace = new RequestTrace(tracing, req, { ...(route !== undefined && { route }) })
    }
    exchange.refuse(code, undefined, { head: req.getMethod() === 'head' })
  }
}
