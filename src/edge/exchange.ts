import type { HttpResponse } from 'uWebSockets.js'
import type { RecordRequest } from '../telemetry/edge-metrics.js'
import { type RefusalCode, refusalOf } from './refusal.js'
import type { RequestTrace } from './request-trace.js'
import type { Traffic } from './traffic.js'

/** The body of the answer to what is kept. */
export const ACCEPTED = '{"status":"accepted"}'

/**
 * One request on its way to its answer. It is answered once or its sender goes away; whatever comes later does
 * nothing, because uWebSockets.js forbids to touch a response after that.
 */
export class Exchange {
  /** Gone as soon as it must not be touched any more. */
  #res: HttpResponse | undefined
  readonly #begun = performance.now()
  #held = 0
  #queued = false
  #slow: NodeJS.Timeout | undefined
  /** Its spans, where it is traced. */
  trace: RequestTrace | undefined

  constructor(
    res: HttpResponse,
    private readonly traffic: Traffic,
    private readonly record?: RecordRequest,
  ) {
    this.#res = res
    traffic.begun++
    traffic.inFlight++
    res.onAborted(() => this.#abort())
  }

  /** Whether there is still somebody to answer. */
  get open(): boolean {
    return this.#res !== undefined
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
    this.#answer((res, close) => {
      this.traffic.accepted++
      const now = performance.now()
      const ms = now - this.#begun
      this.traffic.latency.record(ms, now)
      this.record?.(202, ms)
      res
        .writeStatus('202 Accepted')
        .writeHeader('Content-Type', 'application/json')
        .writeHeader('Tributary-Entry', entry)
        .end(ACCEPTED, close)
      this.trace?.accepted()
    })
  }

  /**
   * @param message in place of the code's usual one
   * @param how `close`: the rest of the body is not to be read; `head`: the answer to HEAD has no body
   */
  refuse(code: RefusalCode, message?: string, how: { close?: boolean; head?: boolean } = {}): void {
    const refusal = refusalOf(code)
    this.trace?.lost(code)
    this.#answer((res, closing) => {
      this.traffic.refused[code]++
      const status = Number.parseInt(refusal.status, 10)
      this.record?.(status, performance.now() - this.#begun)
      const body = JSON.stringify({ error: code, message: message ?? refusal.message })
      const close = closing || refusal.close === true || how.close === true
      res.writeStatus(refusal.status).writeHeader('Content-Type', 'application/json')
      if (code === 'method_not_allowed') res.writeHeader('Allow', 'POST')
      if (refusal.retry) res.writeHeader('Retry-After', retryAfter())
      // On a connection that closes, a body behind the answer to HEAD misleads nobody.
      if (how.head && !close) res.endWithoutBody()
      else res.end(body, close)
      this.trace?.refused(code, status)
    })
  }

  /** Costs one closure; cork makes one write to the socket of it. */
  #answer(write: (res: HttpResponse, close: boolean) => void): void {
    const res = this.#res
    this.#res = undefined
    if (res) res.cork(() => write(res, this.traffic.closing))
    if (res || this.#queued) this.#finish()
  }

  #abort(): void {
    this.#res = undefined
    this.traffic.aborted++
    this.trace?.aborted()
    if (!this.#queued) this.#finish()
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

/** Seconds, 1 to 3: senders that were refused together should not come back together. */
function retryAfter(): string {
  return String(1 + Math.floor(Math.random() * 3))
}
