import { setTimeout as sleep } from 'node:timers/promises'
import type { DeadLetter } from '../stream/dead-letter.js'
import type { Appended, Producer } from '../stream/producer.js'
import { type Timing, timed } from '../telemetry/command.js'
import type { EdgeMetrics, RecordRequest } from '../telemetry/edge-metrics.js'
import type { Tracing } from '../telemetry/tracing.js'
import type { Admission } from './admission.js'
import { errorAnswer } from './answer.js'
import { GroupCommit } from './append.js'
import type { BodyLimits } from './body.js'
import type { HttpChoice } from './http/choose.js'
import type { HttpName, HttpRequest } from './http/http.js'
import { type GuardedContract, type Log, receiver } from './receive.js'
import { RequestContext } from './request-context.js'
import { RequestTrace } from './request-trace.js'
import { type EdgeStats, Traffic } from './traffic.js'

export interface EdgeOptions extends BodyLimits {
  /** The HTTP server: see `chooseHttp`. */
  readonly http: HttpChoice
  readonly host: string
  /** 0 chooses a free one. */
  readonly port: number
  readonly contracts: readonly GuardedContract[]
  readonly producer: Producer
  /** Decides which requests are admitted. */
  readonly admission: Admission
  /** Decides which requests are traced. */
  readonly tracing: Tracing
  /** Defaults to no metrics. */
  readonly metrics?: EdgeMetrics | undefined
  /** Maximum number of open connections; a further one is closed at once. */
  readonly maxConnections: number
  /** Whether other edges may listen on the same port: Linux spreads the connections over them. */
  readonly reusePort?: boolean
  /** Maximum memory for bodies, in bytes; beyond it requests are refused. */
  readonly bufferBytes: number
  /** Maximum time for Redis to keep a request, in ms; then it is refused. */
  readonly appendTimeoutMs: number
  /** Called with the error of each call to Redis that failed; its senders get a 503. */
  readonly onError: (error: unknown) => void
  /** Called for each connection that is closed because too many are open. */
  readonly onTurnedAway: () => void
}

/** An HTTP server that puts webhooks into the log. */
export interface Edge {
  readonly port: number
  /** The HTTP server in use. */
  readonly http: HttpName
  /** Whether it accepts new connections: false as soon as it stops. */
  readonly ready: boolean
  stats(): EdgeStats
  /** Its figures without those that are expensive to read. */
  figures(): Omit<EdgeStats, 'latencyMs'>
  /**
   * Stops accepting connections, answers what is in flight and what still arrives on open ones, and closes them.
   * A body that is still arriving may take up to `bodyTimeoutMs`.
   */
  stop(): Promise<void>
}

/** A stopping edge closes its connections after this time without activity on them, in ms. */
const QUIET_MS = 100

/**
 * Starts the edge.
 * @throws Error that names the port where it cannot listen on it
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { host, port, producer, appendTimeoutMs, onError, tracing, metrics } = options
  if (options.reusePort && (port === 0 || !options.http.sharesPort)) {
    throw new Error(
      'REUSE_PORT=true needs Linux, a PORT other than 0, and uWebSockets.js or Node 22.12 or newer. ' +
        `This is ${process.platform}, PORT is ${port}, and the HTTP server ${options.http.name} of Node ${process.version}.`,
    )
  }
  const traffic = new Traffic(options.bufferBytes)
  const log: Log = {
    entries: new GroupCommit(
      (entries) => timed(() => producer.append(entries), recordAppend(metrics)),
      appendTimeoutMs,
      onError,
    ),
    letters: new GroupCommit(
      (letters) => timed(() => producer.deadLetter(letters), recordDeadLetters(metrics, letters)),
      appendTimeoutMs,
      onError,
    ),
  }

  const routes = options.contracts.map((guarded) => {
    const { path } = guarded.contract
    const record = metrics?.route(path)
    return {
      path,
      post: receiver(guarded, options, traffic, options.admission, log, tracing, record),
      other: refuseAll('method_not_allowed', traffic, tracing, record, path),
    }
  })
  const server = await options.http
    .start({
      host,
      port,
      reusePort: options.reusePort ?? false,
      maxConnections: options.maxConnections,
      routes,
      fallback: refuseAll('not_found', traffic, tracing, metrics?.route(undefined)),
      onConnection: (change) => {
        traffic.connections += change
      },
      onTurnedAway: () => {
        traffic.turnedAway++
        options.onTurnedAway()
      },
      onMalformed: (code) => {
        traffic.refused[code]++
        return errorAnswer(code)
      },
    })
    .catch((cause: Error) => {
      throw new Error(
        `The edge cannot listen on port ${port} of ${host}: ${cause.message}. ` +
          'End the other process, or set PORT (or HOST) to something else.',
        { cause },
      )
    })

  const drain = async () => {
    traffic.closing = true
    server.stopListening()
    await quiet(traffic)
    server.closeConnections()
  }
  let drained: Promise<void> | undefined
  return {
    port: server.port,
    http: options.http.name,
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

function recordAppend(metrics: EdgeMetrics | undefined) {
  return (
    metrics &&
    (({ durationMs }: Timing, appended?: Appended) => metrics.appended(durationMs, appended?.ids.length ?? 0))
  )
}

function recordDeadLetters(metrics: EdgeMetrics | undefined, letters: readonly DeadLetter[]) {
  const reasons = (error: unknown) => (error === undefined ? letters.map(({ reason }) => reason) : [])
  return metrics && (({ durationMs, error }: Timing) => metrics.deadLettered(durationMs, reasons(error)))
}

async function quiet(traffic: Traffic): Promise<void> {
  let begun: number
  do {
    begun = traffic.begun
    await sleep(QUIET_MS)
  } while (traffic.inFlight > 0 || traffic.begun !== begun)
}

function refuseAll(
  code: 'not_found' | 'method_not_allowed',
  traffic: Traffic,
  tracing: Tracing,
  record: RecordRequest | undefined,
  route?: string,
) {
  return (request: HttpRequest) => {
    const context = new RequestContext(request, traffic, record)
    if (tracing.sample()) {
      context.trace = new RequestTrace(tracing, request, { ...(route !== undefined && { route }) })
    }
    context.refuse(code, undefined, { head: request.method === 'HEAD' })
  }
}
