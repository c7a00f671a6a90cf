import type { RecordRequest } from '../telemetry/edge-metrics.js'
import { acceptedAnswer, errorAnswer } from './answer.js'
import { type ErrorCode, errorResponseOf } from './error-response.js'
import type { HttpAnswer, HttpRequest, RequestWatcher } from './http/http.js'
import type { RequestTrace } from './request-trace.js'
import type { Traffic } from './traffic.js'

/**
 * One request on its way to its answer. It is answered once or its sender goes away; whatever comes later does
 * nothing, because a request must not be touched after that.
 */
export class RequestContext implements RequestWatcher {
  /** Gone as soon as it must not be touched any more. */
  #request: HttpRequest | undefined
  readonly #begun = performance.now()
  #held = 0
  #queued = false
  #slow: NodeJS.Timeout | undefined
  /** Its spans, where it is traced. */
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

  /** Whether there is still somebody to answer. */
  get open(): boolean {
    return this.#request !== undefined
  }

  /**
   * Counts memory of the body until the request is over; false where the edge has no room for it. To make room,
   * bodies that have been arriving for longer than this one are refused.
   */
  hold(bytes: number): boolean {
    const fits = this.traffic.hold(bytes, this)
    if (fits) this.#held += bytes
    return fits
  }

  /** The body is not kept: what was counted of it counts no more. */
  release(): void {
    this.traffic.release(this.#held)
    this.#held = 0
  }

  /** Answers 408 unless the request is {@link queue}d or answered within this time, in ms, from the first call on. */
  expectBodyWithin(ms: number): void {
    if (!this.open) return
    this.#slow ??= setTimeout(() => this.refuse('body_too_slow'), ms)
    // One that holds nothing, as its headers came first, has nothing to give.
    if (this.#held > 0) this.traffic.arriving.add(this)
  }

  /** Refuses a body that is still arriving: newer ones need its memory. */
  giveWay(): void {
    this.refuse('overloaded', undefined, { close: true })
  }

  /** The whole body has come and waits for Redis: from now on it is kept even if the sender goes away. */
  queue(): void {
    this.#arrived()
    this.#queued = true
  }

  /**
   * @param entry where the request stands in the log: `<partition>/<entry id>`
   * @param stream key of the stream that it is in
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
   * @param message in place of the code's usual one
   * @param how `close`: the rest of the body is not to be read; `head`: the answer to HEAD has no body
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

  /** Costs nothing where the body came in one part. */
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
