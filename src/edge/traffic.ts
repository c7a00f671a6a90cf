import { type Quantiles, RecentDurations } from '../health/durations.js'
import { ERROR_RESPONSES, type ErrorCode } from './error-response.js'

/** What an edge has done so far, as plain JSON. */
export interface EdgeStats {
  /** Requests answered 202. */
  readonly accepted: number
  /** How long those of the last minute took, from their headers to their answer. */
  readonly latencyMs: Quantiles
  /** Requests that were answered otherwise, by the code of the answer. */
  readonly refused: Readonly<Record<ErrorCode, number>>
  /** Requests whose sender went away before the answer. What was read wholly is kept all the same. */
  readonly aborted: number
  /** Requests that have neither been answered nor gone away. */
  readonly inFlight: number
  /** Memory of the bodies that are read or wait for Redis now, in bytes. */
  readonly bufferedBytes: number
  /** Connections that are open now. */
  readonly connections: number
  /** Connections that were closed at once, because too many were open. */
  readonly turnedAway: number
}

/** A request that holds a part of its body, and waits for the rest. */
interface Arriving {
  /** Is refused, and {@link Traffic.release}s what it holds. */
  giveWay(): void
}

/** What goes through one edge: its counts, and its budget of memory. */
export class Traffic {
  /** Whether the edge stops: then every answer closes its connection. */
  closing = false
  begun = 0
  inFlight = 0
  accepted = 0
  readonly latency = new RecentDurations()
  aborted = 0
  readonly refused = noneRefused()
  /** Those whose bodies are not complete yet, the oldest first. */
  readonly arriving = new Set<Arriving>()
  connections = 0
  turnedAway = 0
  #held = 0

  /** @param bufferBytes how many bytes of memory bodies may take */
  constructor(readonly bufferBytes: number) {}

  /** Whether no further body fits. */
  get full(): boolean {
    return this.#held >= this.bufferBytes && this.arriving.size === 0
  }

  /**
   * Counts memory of a body that is held from now on, until {@link release}; false where there is no room. Bodies
   * that have been arriving for longer give way: so a few slow senders cannot keep all others out.
   */
  hold(bytes: number, holder: Arriving): boolean {
    while (this.#held + bytes > this.bufferBytes) {
      const [oldest] = this.arriving
      if (oldest === undefined || oldest === holder) return false
      oldest.giveWay()
    }
    this.#held += bytes
    return true
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  /** What is cheap to tell. */
  figures(): Omit<EdgeStats, 'latencyMs'> {
    const { accepted, refused, aborted, inFlight, connections, turnedAway } = this
    const now = { inFlight, bufferedBytes: this.#held, connections }
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
