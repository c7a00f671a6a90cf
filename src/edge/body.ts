import type { HttpRequest } from './http/http.js'
import type { RequestContext } from './request-context.js'

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

/** Memory that the first bytes of a body in parts take. */
const FIRST_BYTES = 512

/**
 * Reads the body of a request, or refuses it.
 * A body that comes in one part, as nearly all do, costs one copy and no timer; of several parts three copies at
 * most. What it takes in memory is counted, however small the parts: nothing for what is only announced.
 * @param announced the Content-Length, where there is one
 * @param whole is called with the body, at most once
 */
export function readBody(
  request: HttpRequest,
  context: RequestContext,
  announced: number | undefined,
  limits: BodyLimits,
  whole: (body: Buffer) => void,
): void {
  const reader = new BodyReader(context, announced, limits, whole)
  request.readBody((part, isLast) => reader.read(part, isLast))
}

class BodyReader {
  /** What has come of a body in several parts, and room for more. */
  #kept: Buffer | undefined
  #total = 0

  constructor(
    private readonly context: RequestContext,
    private readonly announced: number | undefined,
    private readonly limits: BodyLimits,
    private readonly whole: (body: Buffer) => void,
  ) {}

  read(part: Uint8Array, isLast: boolean): void {
    // The server goes on reading behind an answer.
    if (!this.context.open) return
    this.#total += part.length
    if (Math.max(this.announced ?? 0, this.#total) > this.limits.maxBodyBytes) this.#discard(isLast)
    else if (isLast && !this.#kept) this.#takeAll(part)
    else this.#takePart(part, isLast)
    if (!isLast) this.context.expectBodyWithin(this.limits.bodyTimeoutMs)
  }

  #takeAll(part: Uint8Array): void {
    // A copy: the part is the server's own memory, and gone when we return.
    if (this.context.hold(part.length)) this.whole(Buffer.from(part))
    else this.context.refuse('overloaded')
  }

  #takePart(part: Uint8Array, isLast: boolean): void {
    const kept = this.#makeRoom()
    if (!kept) {
      // The server skips the rest; where it comes in chunks, its length is not known.
      this.context.refuse('overloaded', undefined, { close: !isLast && this.announced === undefined })
      return
    }
    kept.set(part, this.#total - part.length)
    if (isLast) this.whole(kept.subarray(0, this.#total))
  }

  /** The buffer, with room for all that has come. It at least doubles, so that small parts are not copied often. */
  #makeRoom(): Buffer | undefined {
    const old = this.#kept
    if (this.#total === 0 || (old && old.length >= this.#total)) return old ?? Buffer.alloc(0)
    const most = this.announced ?? this.limits.maxBodyBytes
    const size = Math.max(this.#total, Math.min(most, Math.max(2 * this.#total, FIRST_BYTES)))
    // Forgotten in any case: the server keeps this reader until the last part, whatever was answered.
    this.#kept = undefined
    if (!this.context.hold(size - (old?.length ?? 0))) return undefined
    // Not of Node's pool: a slow body would keep a whole slab of it.
    this.#kept = Buffer.allocUnsafeSlow(size)
    if (old) this.#kept.set(old)
    return this.#kept
  }

  #discard(isLast: boolean): void {
    this.#kept = undefined
    this.context.release()
    const { maxBodyBytes } = this.limits
    const enough = this.#total > maxBodyBytes + DRAIN_BYTES
    if (!isLast && !enough) return
    this.context.refuse('body_too_large', `The body is larger than ${maxBodyBytes} bytes`, {
      close: !isLast,
    })
  }
}
