import { type Quantiles, RecentDurations } from '../health/durations.js'
import { ERROR_RESPONSES, type ErrorCode } from './error-response.js'

/** What an edge has done since its start, as plain JSON. */
export interface EdgeStats {
  /** Requests answered 202. */
  readonly accepted: number
  /** Time from headers to answer of the requests accepted in the last minute. */
  readonly latencyMs: Quantiles
  /** Requests that were refused, by the code of the answer. */
  readonly refused: Readonly<Record<ErrorCode, number>>
  /** Requests whose sender disconnected before the answer. A body that was read completely is kept all the same. */
  readonly aborted: number
  /** Requests that are in flight: neither answered nor aborted. */
  readonly inFlight: number
  /** Memory of the bodies that are arriving or wait for Redis, in bytes. */
  readonly bufferedBytes: number
  /** Open connections. */
  readonly connections: number
  /** Connections that were closed at once because too many were open. */
  readonly turnedAway: number
}

/** A request that has a part of its body in memory and waits for the rest. */
interface Arriving {
  /** Refuses the request, which {@link Traffic.release}s its memory. */
  refuseBody(): void
}

/** The requests of one edge: their counts, and their memory budget. */
export class Traffic {
  /** Whether the edge is stopping: then every answer closes its connection. */
  closing = false
  begun = 0
  inFlight = 0
  accepted = 0
  readonly latency = new RecentDurations()
  aborted = 0
  readonly refused = noneRefused()
  /** Requests whose bodies are not complete yet, oldest first. */
  readonly arriving = new Set<Arriving>()
  connections = 0
  turnedAway = 0
  #bodyBytes = 0

  /** @param bufferBytes maximum memory for bodies, in bytes */
  constructor(readonly bufferBytes: number) {}

  /** Whether no further body fits. */
  get full(): boolean {
    return this.#bodyBytes >= this.bufferBytes && this.arriving.size === 0
  }

  /**
   * Reserves memory for a body until {@link release}; false where there is no room. To make room it refuses bodies
   * that have been arriving for longer, so that a few slow senders cannot keep all others out.
   */
  hold(bytes: number, holder: Arriving): boolean {
    while (this.#bodyBytes + bytes > this.bufferBytes) {
      const [oldest] = this.arriving
      if (oldest === undefined || oldest === holder) return false
      oldest.refuseBody()
    }
    this.#bodyBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#bodyBytes -= bytes
  }

  /** The figures without those that are expensive to read. */
  figures(): Omit<EdgeStats, 'latencyMs'> {
    const { accepted, refused, aborted, inFlight, connections, turnedAway } = this
    const now = { inFlight, bufferedBytes: this.#bodyBytes, connections }
    return { accepted, refused: { ...refused }, aborted, turnedAway, ...now }
  }

  stats(): EdgeStats {
    return { ...this.figures(), latencyMs: this.latency.quantiles() }
  }
}

function noneRefused(): Record<ErrorCode, number> {
  const codes = Object.keys(ERROR_RESPONSES) as ErrorCode[]
  return Object.fromEntries(codes.map((code) => [code, 0])) as Record<ErrorCode, number>
}
