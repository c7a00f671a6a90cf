import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { explainExport, type Losses } from './losses.js'
import type { SpanRoom } from './tracing.js'

/** Spans that a process exports in a ms, over time: about a tenth of a core. What it traces more waits, or is not made. */
export const SPANS_A_MS = 10

/**
 * Takes finished spans to the exporter, in batches in the background and at a bounded pace. At most `capacity` wait: what
 * comes when the collector is away or slow is dropped and counted, like what it refuses.
 */
export class SpanQueue implements SpanRoom {
  readonly #batches: BatchSpanProcessor
  #waiting = 0
  #underWay = 0
  /** When the pace allows the next export, in ms of `performance.now()`. */
  #paid = Number.NEGATIVE_INFINITY
  #pause: NodeJS.Timeout | undefined
  #closing = false
  /** Ends the pause, where there is one. */
  #next: () => void = () => undefined

  /** @param spansAMs the pace; a burst of `capacity` may go before it counts */
  constructor(
    exporter: SpanExporter,
    private readonly capacity: number,
    private readonly losses: Losses,
    private readonly spansAMs = SPANS_A_MS,
  ) {
    const counting: SpanExporter = {
      export: (spans, done) => {
        this.#waiting -= spans.length
        this.#underWay += spans.length
        exporter.export(spans, (result) =>
          this.#atPace(spans.length, () => done(this.#note(spans.length, result))),
        )
      },
      shutdown: () => exporter.shutdown(),
    }
    this.#batches = new BatchSpanProcessor(counting, { maxQueueSize: capacity })
  }

  /** @param span that has come to its end */
  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= this.capacity) {
      this.losses.add(1, 'spans', `it takes them too slowly, and ${this.capacity} wait`)
      return
    }
    this.#waiting++
    this.#batches.onEnd(span)
  }

  /** In half of the queue: the other half is for the spans of what is under way already. */
  get room(): number {
    return Math.max(0, this.capacity / 2 - this.#waiting)
  }

  forgo(spans: number): void {
    this.losses.add(spans, 'spans', `more are traced than it may cost to export, and ${this.capacity} wait`)
  }

  /** Sends what waits, at once, and takes nothing more. */
  async shutdown(): Promise<void> {
    this.#closing = true
    this.#next()
    await this.#batches.shutdown()
  }

  /** The next batch is not exported before this one is told to be done. */
  #atPace(spans: number, done: () => void): void {
    const now = performance.now()
    const saved = this.capacity / this.spansAMs
    this.#paid = Math.max(this.#paid, now - saved) + spans / this.spansAMs
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

  /** Counts what the collector has not taken by now as lost. */
  giveUp(): void {
    const left = this.#waiting + this.#underWay
    if (left > 0) this.losses.add(left, 'spans', 'it has not taken them by the end of the process')
  }

  #note(count: number, result: ExportResult): ExportResult {
    this.#underWay -= count
    if (result.code === ExportResultCode.SUCCESS) return result
    this.losses.add(count, 'spans', explainExport(result.error))
    // It is told; the SDK would tell it once more.
    return { code: ExportResultCode.SUCCESS }
  }
}
