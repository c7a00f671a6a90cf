import type { HttpRequest } from './http/http.js'
import type { RequestContext } from './request-context.js'

/** Limits of a request's body. */
export interface BodyLimits {
  /** A larger body gets 413. */
  readonly maxBodyBytes: number
  /** Maximum time from a body's first part to its last, in ms; then 408. */
  readonly bodyTimeoutMs: number
}

/**
 * Bytes beyond the limit that the edge reads and drops, so that the sender sees its 413: if the connection closed
 * while the sender still writes, it would see a reset instead.
 */
const DRAIN_BYTES = 16 * 1_048_576

/** Memory for the first bytes of a body that comes in parts. */
const FIRST_BYTES = 512

/**
 * Reads the body of a request, or refuses it.
 * A body in one part, the usual case, costs one copy and no timer; a body in several parts costs at most three
 * copies. Counts the memory that is really in use, however small the parts; an announced length counts nothing.
 * @param announced the Content-Length, where there is one
 * @param whole called with the complete body, at most once
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
  /** The bytes so far of a body in several parts, with room for more. */
  #kept: Buffer | undefined
  #total = 0

  constructor(
    private readonly context: RequestContext,
    private readonly announced: number | undefined,
    private readonly limits: BodyLimits,
    private readonly whole: (body: Buffer) => void,
  ) {}

  read(part: Uint8Array, isLast: boolean): void {
    // The server continues to read after an answer.
    if (!this.context.open) return
    this.#total += part.length
    if (Math.max(this.announced ?? 0, this.#total) > this.limits.maxBodyBytes) this.#discard(isLast)
    else if (isLast && !this.#kept) this.#takeAll(part)
    else this.#takePart(part, isLast)
    if (!isLast) this.context.expectBodyWithin(this.limits.bodyTimeoutMs)
  }

  #takeAll(part: Uint8Array): void {
    // Copies the part: it is the server's own memory, and invalid after the return.
    if (this.context.hold(part.length)) this.whole(Buffer.from(part))
    else this.context.refuse('overloaded')
  }

  #takePart(part: Uint8Array, isLast: boolean): void {
    const kept = this.#makeRoom()
    if (!kept) {
      // The server skips the rest; the length of a chunked body is unknown.
      this.context.refuse('overloaded', undefined, { close: !isLast && this.announced === undefined })
      return
    }
    kept.set(part, this.#total - part.length)
    if (isLast) this.whole(kept.subarray(0, this.#total))
  }

  /** The buffer, with room for all bytes so far. It at least doubles, so that small parts are not copied often. */
  #makeRoom(): Buffer | undefined {
    const old = this.#kept
    if (this.#total === 0 || (old && old.length >= this.#total)) return old ?? Buffer.alloc(0)
    const most = this.announced ?? this.limits.maxBodyBytes
    const size = Math.max(this.#total, Math.min(most, Math.max(2 * this.#total, FIRST_BYTES)))
    // Dropped in any case: the server keeps this reader until the last part, whatever the answer was.
    this.#kept = undefined
    if (!this.context.hold(size - (old?.length ?? 0))) return undefined
    // Not from Node's pool: a slow body would keep a whole slab of it.
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
