import type { Socket } from 'node:net'
import type { ErrorCode } from '../error-response.js'
import type { NodeRequest } from './node-request.js'

/** A request must come as fast as this from its head on, in bytes a millisecond: 16 kB/s, as uWebSockets.js has it... */
const MIN_RATE = 16
/** ... once it has had so long, in ms. */
const SLOW_MS = 10_000

/** One connection of the `node:http` server, with the request that it serves. */
export class NodeConnection {
  #request: NodeRequest | undefined
  /** When the request's head had come, in ms of `performance.now()`, and how many bytes the connection had had. */
  #begunAt = 0
  #bytesBefore = 0

  constructor(private readonly socket: Socket) {}

  /**
   * Takes the next request.
   * @returns `undefined` where it is not to be answered: the one before it is not answered yet, or its answer closes
   *   the connection
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
   * Node cannot read on.
   * @param code of the answer; `undefined` where the connection is broken
   * @param raw makes the answer where there is no request to answer
   */
  fail(code: ErrorCode | undefined, raw: (code: ErrorCode) => string): void {
    const request = this.#request
    // A connection without a byte is one that was opened ahead: it has asked nothing.
    if (code === undefined || this.socket.bytesRead === 0) this.socket.destroy()
    else if (request?.closes) return
    else if (request && !request.answered && !request.complete) request.refuseMalformed(code)
    else if (request && !request.answered) this.#endBehind(request)
    else if (request && !request.complete) this.socket.destroySoon()
    else this.socket.end(raw(code), () => this.socket.destroySoon())
  }

  /** Closes the connection behind the answer to its request; what has come behind that is not read. */
  #endBehind(request: NodeRequest): void {
    request.closeBehind()
    this.socket.pause()
  }

  /** The connection is closed. */
  closed(): void {
    this.#request?.abort()
  }

  /** Nothing has come or gone for a while. A request that waits for Redis has its own deadline. */
  silent(): void {
    const waits = this.#request?.complete && !this.#request.answered
    if (!waits) this.socket.destroy()
  }

  /** Ends a connection whose request comes more slowly than any sender needs. */
  cutIfSlow(): void {
    if (!this.#request || this.#request.complete) return
    const elapsed = performance.now() - this.#begunAt
    if (elapsed < SLOW_MS) return
    if ((this.socket.bytesRead - this.#bytesBefore) / elapsed < MIN_RATE) this.socket.destroy()
  }
}
