import type { RecordRequest } from '../telemetry/edge-metrics.js'
import { acceptedAnswer, errorAnswer } from './answer.js'
import { type ErrorCode, errorResponseOf } from './error-response.js'
import type { HttpAnswer, HttpRequest, RequestWatcher } from './http/http.js'
import type { RequestTrace } from './request-trace.js'
import type { Traffic } from './traffic.js'

/**
 * One request until its answer. It is answered once, or its sender disconnects; later calls do nothing, because the
 * request must not be used after that.
 */
export class RequestContext implements RequestWatcher {
  /** Unset as soon as the request must not be used any more. */
  #request: HttpRequest | undefined
  readonly #begun = performance.now()
  #bodyBytes = 0
  #queued = false
  #slow: NodeJS.Timeout | undefined
  /** Its spans, where the request is traced. */
  trace: RequestTrace | undefined

  constructor(
    request: HttpRequest,
    private readonly traffic: Traffic,
    private readonly record?: RecordRequest,
  ) {
    this.#request = request
    traffic.begun++
    traffic.inFlight++
    request.watch(this)
  }

  /** Whether the request can still be answered. */
  get open(): boolean {
    return this.#request !== undefined
  }

  /**
   * Counts memory of the body until the request ends; false where the edge has no room for it. To make room, the edge
   * refuses bodies that have been arriving for longer than this one.
   */
  hold(bytes: number): boolean {
    const fits = this.traffic.hold(bytes, this)
    if (fits) this.#bodyBytes += bytes
    return fits
  }

  /** Stops to count the memory of the body, which is not kept. */
  release(): void {
    this.traffic.release(this.#bodyBytes)
    this.#bodyBytes = 0
  }

  /** Answers 408 unless the request is {@link queue}d or answered within this time from the first call on, in ms. */
  expectBodyWithin(ms: number): void {
    if (!this.open) return
    this.#slow ??= setTimeout(() => this.refuse('body_too_slow'), ms)
    // A request that holds no memory yet cannot free any.
    if (this.#bodyBytes > 0) this.traffic.arriving.add(this)
  }

  /** Refuses a body that is still arriving, to free its memory for newer ones. */
  refuseBody(): void {
    this.refuse('overloaded', undefined, { close: true })
  }

  /** The whole body has arrived and waits for Redis: it is kept from now on, even if the sender disconnects. */
  queue(): void {
    this.#arrived()
    this.#queued = true
  }

  /**
   * Answers 202.
   * @param entry position of the request in the log: `<partition>/<entry id>`
   * @param stream key of its stream
   */
  accept(entry: string, stream: string): void {
    this.trace?.kept(stream, entry)
    if (this.open) {
      this.traffic.accepted++
      const now = performance.now()
      const ms = now - this.#begun
      this.traffic.latency.record(ms, now)
      this.record?.(202, ms)
      this.trace?.accepted()
    }
    this.#answer(acceptedAnswer(entry, this.traffic.closing))
  }

  /**
   * Answers with a refusal.
   * @param message replaces the code's default message
   * @param how `close`: the rest of the body is not read; `head`: the request is HEAD, so the answer has no body
   */
  refuse(code: ErrorCode, message?: string, how: { close?: boolean; head?: boolean } = {}): void {
    this.trace?.lost(code)
    if (this.open) {
      this.traffic.refused[code]++
      const status = Number.parseInt(errorResponseOf(code).status, 10)
      this.record?.(status, performance.now() - this.#begun)
      this.trace?.refused(code, status)
    }
    const answer = errorAnswer(code, message)
    const close = this.traffic.closing || how.close === true || answer.close
    this.#answer({ ...answer, close, withoutBody: how.head === true })
  }

  aborted(): void {
    this.#request = undefined
    this.traffic.aborted++
    this.trace?.aborted()
    if (!this.#queued) this.#finish()
  }

  malformed(code: ErrorCode): void {
    this.refuse(code, undefined, { close: true })
  }

  #answer(answer: HttpAnswer): void {
    const request = this.#request
    this.#request = undefined
    request?.answer(answer)
    if (request || this.#queued) this.#finish()
  }

  /** Ends the wait for the body. Costs nothing where the body came in one part. */
  #arrived(): void {
    if (!this.#slow) return
    clearTimeout(this.#slow)
    this.#slow = undefined
    this.traffic.arriving.delete(this)
  }

  #finish(): void {
    this.#queued = false
    this.#arrived()
    this.release()
    this.traffic.inFlight--
  }
}
