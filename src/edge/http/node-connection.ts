import type { Socket } from 'node:net'
import type { ErrorCode } from '../error-response.js'
import type { NodeRequest } from './node-request.js'

/** Minimum rate of a request after its head, in bytes per ms: 16 kB/s, as in uWebSockets.js... */
const MIN_RATE = 16
/** ... checked after this time, in ms. */
const SLOW_MS = 10_000

/** One connection of the `node:http` server, with its current request. */
export class NodeConnection {
  #request: NodeRequest | undefined
  /** When the request's head was complete, in ms of `performance.now()`, and the connection's bytes at that time. */
  #begunAt = 0
  #bytesBefore = 0

  constructor(private readonly socket: Socket) {}

  /**
   * Begins the next request.
   * @returns `undefined` where the request gets no answer: the one before it is not answered yet, or its answer
   *   closes the connection
   */
  begin(request: NodeRequest): NodeRequest | undefined {
    const before = this.#request
    if (before && (before.closes || !before.answered)) {
      this.#endBehind(before)
      return undefined
    }
    this.#request = request
    this.#begunAt = performance.now()
    this.#bytesBefore = this.socket.bytesRead
    return request
  }

  /**
   * Called when Node cannot read on.
   * @param code of the answer; `undefined` where the connection is broken
   * @param raw makes the answer where there is no request to answer
   */
  fail(code: ErrorCode | undefined, raw: (code: ErrorCode) => string): void {
    const request = this.#request
    // A connection without a byte was opened in advance: it has no request.
    if (code === undefined || this.socket.bytesRead === 0) this.socket.destroy()
    else if (request?.closes) return
    else if (request && !request.answered && !request.complete) request.refuseMalformed(code)
    else if (request && !request.answered) this.#endBehind(request)
    else if (request && !request.complete) this.socket.destroySoon()
    else this.socket.end(raw(code), () => this.socket.destroySoon())
  }

  /** Closes the connection after the answer to its request; what came after the request is not read. */
  #endBehind(request: NodeRequest): void {
    request.closeBehind()
    this.socket.pause()
  }

  /** Called when the connection closed. */
  closed(): void {
    this.#request?.abort()
  }

  /** Called when nothing was sent or received for a while. A request that waits for Redis has its own deadline. */
  silent(): void {
    const waits = this.#request?.complete && !this.#request.answered
    if (!waits) this.socket.destroy()
  }

  /** Closes a connection whose request arrives below the minimum rate. */
  cutIfSlow(): void {
    if (!this.#request || this.#request.complete) return
    const elapsed = performance.now() - this.#begunAt
    if (elapsed < SLOW_MS) return
    if ((this.socket.bytesRead - this.#bytesBefore) / elapsed < MIN_RATE) this.socket.destroy()
  }
}
