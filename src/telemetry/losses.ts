import type { Logger } from 'pino'
import { createWarnOnce } from './log.js'

/** Minimum time between two lines about lost telemetry, in ms. */
const EVERY_MS = 60_000

/**
 * Counts the telemetry that does not reach a collector, and logs it once a minute: traffic does not suffer, but
 * an operator will miss it.
 */
export class Losses {
  /** Everything lost since the start. */
  total = 0
  /** Logs a message of the collector, at most once a minute. */
  readonly warn: (message: string) => void
  #unlogged = 0
  #why = ''
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(private readonly log: Logger) {
    this.warn = createWarnOnce(log)
  }

  /**
   * @param count how many items are lost
   * @param what for example `spans to collector:4318`
   * @param why for a person
   */
  add(count: number, what: string, why: string): void {
    this.total += count
    this.#unlogged += count
    this.#why = `${what}: ${why}`
    if (performance.now() >= this.#nextAt) this.report()
  }

  /** Logs the losses at once, if there are any. */
  report(): void {
    if (this.#unlogged === 0) return
    this.log.warn({ lost: this.#unlogged }, `Telemetry is lost: ${this.#unlogged} ${this.#why}`)
    this.#unlogged = 0
    this.#nextAt = performance.now() + EVERY_MS
  }
}

/** The message of an exporter's error. Node's own error for a host with several addresses has none. */
export function explainExport(error: Error | undefined): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string }
  return message || String(code ?? 'no reason given')
}
