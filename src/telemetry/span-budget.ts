import type { ExportResult } from '@opentelemetry/core'
import {
  BatchSpanProcessor,
  type BatchSpanProcessorOptions,
  type ReadableSpan,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import type { Losses } from './losses.js'
import type { SpanRoom } from './tracing.js'

/** Average rate of exported spans per ms. The SDK takes 9 to 15 us a span, so this is about a tenth of a core. */
const SPANS_A_MS = 6

/** Settings of the export of spans. */
export interface SpanBudgetOptions extends Omit<BatchSpanProcessorOptions, 'maxQueueSize'> {
  /** Maximum number of queued spans; a burst of this size is exported before the rate limit applies. */
  readonly maxQueueSize: number
  /** Name of the collector for a person. */
  readonly host: string
  /** Spans per ms; default: {@link SPANS_A_MS}. */
  readonly spansAMs?: number
}

/**
 * The SDK's BatchSpanProcessor with a rate limit, and with a count of its queue: so an event is traced as a whole or
 * not at all, and dropped spans are counted.
 */
export class SpanBudget implements SpanProcessor, SpanRoom {
  readonly #batches: BatchSpanProcessor
  readonly #options: SpanBudgetOptions
  readonly #spansAMs: number
  #waiting = 0
  #underWay = 0
  /** When the rate limit allows the next export, in ms of `performance.now()`. */
  #paid = Number.NEGATIVE_INFINITY
  #pause: NodeJS.Timeout | undefined
  #closing = false
  /** Ends the pause, where there is one. */
  #next: () => void = () => undefined

  constructor(
    options: SpanBudgetOptions,
    private readonly losses: Losses,
  ) {
    const { exporter } = options
    this.#options = options
    this.#spansAMs = options.spansAMs ?? SPANS_A_MS
    const counting = {
      export: (spans: ReadableSpan[], done: (result: ExportResult) => void) => {
        this.#waiting -= spans.length
        this.#underWay += spans.length
        exporter.export(spans, (result) => {
          this.#underWay -= spans.length
          this.#atPace(spans.length, () => done(result))
        })
      },
      shutdown: () => exporter.shutdown(),
    }
    this.#batches = new BatchSpanProcessor({ ...options, exporter: counting })
  }

  onStart(): void {}

  /** @param span has ended */
  onEnd(span: ReadableSpan): void {
    const { maxQueueSize, host } = this.#options
    if (this.#waiting >= maxQueueSize) {
      this.losses.add(
        1,
        `spans to ${host}`,
        `it accepts them too slowly, and the queue of ${maxQueueSize} is full`,
      )
      return
    }
    this.#waiting++
    this.#batches.onEnd(span)
  }

  /** In half of the queue: the other half is for the spans of events that are being traced already. */
  get room(): number {
    return Math.max(0, this.#options.maxQueueSize / 2 - this.#waiting)
  }

  drop(spans: number): void {
    const { maxQueueSize, host } = this.#options
    const why = `more are traced than it may cost to export, and ${maxQueueSize} may wait`
    this.losses.add(spans, `spans to ${host}`, why)
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush()
  }

  /** Sends the queue at once, and accepts no more spans. */
  async shutdown(): Promise<void> {
    this.#closing = true
    this.#next()
    await this.#batches.shutdown()
  }

  /** Counts the spans that the collector has not accepted by now as lost. */
  giveUp(): void {
    const left = this.#waiting + this.#underWay
    const why = 'it has not taken them by the end of the process'
    if (left > 0) this.losses.add(left, `spans to ${this.#options.host}`, why)
  }

  /** Delays `done` until the rate limit allows the next batch. */
  #atPace(spans: number, done: () => void): void {
    const now = performance.now()
    const saved = this.#options.maxQueueSize / this.#spansAMs
    this.#paid = Math.max(this.#paid, now - saved) + spans / this.#spansAMs
    if (this.#closing || this.#paid <= now) {
      done()
      return
    }
    this.#next = () => {
      clearTimeout(this.#pause)
      this.#next = () => undefined
      done()
    }
    this.#pause = setTimeout(() => this.#next(), this.#paid - now)
  }
}
