import type { HttpResponse } from 'uWebSockets.js'
import type { Exchange } from './exchange.js'

/** Bounds of a request's body. */
export interface BodyLimits {
  /** Over it 413. */
  readonly maxBodyBytes: number
  /** How long a body may take from its first part on, in ms; over it 408. */
  readonly bodyTimeoutMs: number
}

/**
 * How much more than the limit is read, and thrown away, for the sender to see its 413: one whose connection
 * closes while it still writes sees a reset instead.
 */
const DRAIN_BYTES = 16 * 1_048_576

/**
 * Reads the body of a request, or refuses it.
 * A body that comes in one part, as nearly all do, costs one copy and no timer; of several parts two copies.
 * @param announced the Content-Length, where there is one
 * @param whole is called with the body, at most once
 */
export function readBody(
  res: HttpResponse,
  exchange: Exchange,
  announced: number | undefined,
  limits: BodyLimits,
  whole: (body: Buffer) => void,
): void {
  const reader = new BodyReader(exchange, announced, limits, whole)
  res.onData((chunk, isLast) => reader.read(chunk, isLast))
}

class BodyReader {
  readonly #parts: Buffer[] = []
  #total = 0

  constructor(
    private readonly exchange: Exchange,
    private readonly announced: number | undefined,
    private readonly limits: BodyLimits,
    private readonly whole: (body: Buffer) => void,
  ) {}

  read(chunk: ArrayBuffer, isLast: boolean): void {
    // uWebSockets.js goes on reading behind an answer.
    if (!this.exchange.open) return
    this.#total += chunk.byteLength
    if (Math.max(this.announced ?? 0, this.#total) > this.limits.maxBodyBytes) this.#discard(isLast)
    else this.#take(chunk, isLast)
    if (!isLast) this.exchange.expectBodyWithin(this.limits.bodyTimeoutMs)
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    if (!this.exchange.hold(chunk.byteLength)) {
      // uWebSockets.js skips the rest, but nobody knows how much that is where it comes in chunks.
      this.exchange.refuse('overloaded', undefined, { close: !isLast && this.announced === undefined })
      return
    }
    // The chunk is uWebSockets.js's own memory, and gone when we return.
    const part = Buffer.from(new Uint8Array(chunk))
    if (!isLast) this.#parts.push(part)
    else this.whole(this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part], this.#total))
  }

  #discard(isLast: boolean): void {
    this.#parts.length = 0
    const { maxBodyBytes } = this.limits
    const enough = this.#total > maxBodyBytes + DRAIN_BYTES
    if (!isLast && !enough) return
    this.exchange.refuse('body_too_large', `The body is larger than ${maxBodyBytes} bytes`, {
      close: !isLast,
    })
  }
}
