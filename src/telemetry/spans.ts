import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { explainExport, type Losses } from './losses.js'

/**
 * Takes finished spans to the exporter, in batches in the background. At most `capacity` wait: what comes when the
 * collector is away or slow is dropped and counted, like what it refuses.
 */
export class SpanQueue {
  readonly #batches: BatchSpanProcessor
  #waiting = 0
  #underWay = 0

  constructor(
    exporter: SpanExporter,
    private readonly capacity: number,
    private readonly losses: Losses,
  ) {
    const counting: SpanExporter = {
      export: (spans, done) => {
        this.#waiting -= spans.length
        this.#underWay += spans.length
        exporter.export(spans, (result) => done(this.#note(spans.length, result)))
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

  /** Sends what waits, and takes nothing more. */
  shutdown(): Promise<void> {
    return this.#batches.shutdown()
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
