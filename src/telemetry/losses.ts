import type { Logger } from 'pino'

/** From one line about lost telemetry to the next, in ms. */
const EVERY_MS = 60_000

/**
 * What telemetry does not reach the collector, told in one line a minute: it has no effect on traffic, but somebody
 * will miss it.
 */
export class Losses {
  /** All that was lost since the start. */
  total = 0
  #untold = 0
  #why = ''
  #nextAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly log: Logger,
    /** Names the collector to a person. */
    private readonly collector: string,
  ) {}

  /**
   * @param count how many
   * @param what such as `spans`
   * @param why for a person
   */
  add(count: number, what: string, why: string): void {
    this.total += count
    this.#untold += count
    this.#why = `${what} to ${this.collector}: ${why}`
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
