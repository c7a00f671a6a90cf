import { RecentDurations } from '../telemetry/stats.js'
import { REFUSALS, type RefusalCode } from './refusal.js'

/** What an edge has done so far, as plain JSON. */
export interface EdgeStats {
  /** Requests answered 202. */
  readonly accepted: number
  /** How long the last of them took, from their headers to their answer, in ms; undefined before the first. */
  readonly latencyMs: { readonly p50: number | undefined; readonly p99: number | undefined }
  /** Requests that were answered otherwise, by the code of the answer. */
  readonly refused: Readonly<Record<RefusalCode, number>>
  /** Requests whose sender went away before the answer. What was read wholly is kept all the same. */
  readonly aborted: number
  /** Requests that have neither been answered nor gone away. */
  readonly inFlight: number
  /** Bytes of bodies that are read or wait for Redis now. */
  readonly bufferedBytes: number
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
  #held = 0

  /** @param bufferBytes how many bytes of bodies may be held in memory */
  constructor(readonly bufferBytes: number) {}

  /** Whether no further body fits. */
  get full(): boolean {
    return this.#held >= this.bufferBytes
  }

  /** Counts bytes of a body that are held from now on, until {@link release}; false where there is no room. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.bufferBytes) return false
    this.#held += bytes
    return true
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  stats(): EdgeStats {
    const { accepted, latency, refused, aborted, inFlight } = this
    const latencyMs = { p50: latency.quantile(0.5), p99: latency.quantile(0.99) }
    return { accepted, latencyMs, refused: { ...refused }, aborted, inFlight, bufferedBytes: this.#held }
  }
}

function noneRefused(): Record<RefusalCode, number> {
  const codes = Object.keys(REFUSALS) as RefusalCode[]
  return Object.fromEntries(codes.map((code) => [code, 0])) as Record<RefusalCode, number>
}
