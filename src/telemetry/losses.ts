import type { Logger } from 'pino'
import { createWarnOnce } from './log.js'

/** From one line about lost telemetry to the next, in ms. */
const EVERY_MS = 60_000

/**
 * Counts the telemetry that does not reach a collector, and writes one line a minute: traffic does not suffer, but
 * somebody will miss it.
 */
export class Losses {
  /** All that was lost since the start. */
  total = 0
  /** Writes what a collector has to say, at most once a minute. */
  readonly warn: (message: string) => void
  #untold = 0
  #why = ''
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(private readonly log: Logger) {
    this.warn = createWarnOnce(log)
  }

  /**
   * @param count how many
   * @param what such as `spans to collector:4318`
   * @param why for a person
   */
  add(count: number, what: string, why: string): void {
    this.total += count
    this.#untold += count
    this.#why = `${what}: ${why}`
    if (performance.now() >= this.#nextAt) this.tell()
  }

  /** Writes the line at once, if there is anything to tell. */
  tell(): void {
    if (this.#untold === 0) return
    this.log.warn({ lost: this.#untold }, `Telemetry is lost: ${this.#untold} ${this.#why}`)
    this.#untold = 0
    this.#nextAt = performance.now() + EVERY_MS
  }
}

/** What an exporter's error says. Node's own for a host with several addresses has no message. */
export function explainExport(error: Error | undefined): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string }
  return message || String(code ?? 'no reason given')
}
