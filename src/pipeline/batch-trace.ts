import type { StoreCall } from '../sinks/sink.js'
import type { StreamCall } from '../stream/calls.js'
import type { Outcome } from '../stream/consumer.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import { ATTRIBUTE, RETRY, streamSpan } from '../telemetry/names.js'
import type { Span, SpanAttributes, Tracing } from '../telemetry/tracing.js'
import type { Decoded } from './decoder.js'
import { keepEnds, linksTo, type Step, stepOfStore, stepOfStream, streamAttributes } from './steps.js'

/** A batch that has at least one entry that is traced. */
export interface TracedBatch {
  readonly entries: readonly Entry[]
  /** How often they had been delivered before; 0 for fresh ones. */
  readonly deliveries: number
  readonly group: string
  /** One name for the streams of all partitions. */
  readonly stream: string
  /** The stream of each partition. */
  readonly streams: ReadonlyMap<number, string>
}

interface Retry {
  readonly at: number
  readonly attempt: number
  readonly message: string
}

/** A store may be away for days: more than these are left out in the middle. */
const MOST_RETRIES = 32
const MOST_STEPS = 5_000
const MOST_STEPS_OF_AN_ENTRY = 32

/**
 * What becomes of a batch, as spans. A root span stands for the batch; it links to the traced messages in it, and
 * its children are the commands as they were. Each traced entry goes on in the trace that its request began: a
 * `process` span that links to the batch, and below it a span for each command that it was part of, at the same
 * time. So one write of a thousand rows stands in the trace of each traced one among them, and links to the write
 * as a whole. A redriven entry begins a trace, for its request may be weeks old, and links to that.
 *
 * All spans are made at the end, parents first. A worker that is killed leaves none without its parent: whoever
 * takes its entries over tells the story. Until then a traced batch costs a look-up for an item of each command;
 * then about 2 us a span with its export: three or four spans for each traced entry, and as many for the batch.
 */
export class BatchTrace {
  readonly #tracing: Tracing
  readonly #batch: TracedBatch
  readonly #startTime: number
  readonly #span: Span
  /** The steps of each traced entry. */
  readonly #traced: Map<Entry, Step[]>
  /** The traced entry that an item came from. */
  readonly #sources = new Map<unknown, Entry>()
  readonly #steps: Step[] = []
  readonly #retries: Retry[] = []
  readonly #processes = new Map<number, { name: string; attributes: SpanAttributes }>()

  /** @param traced those of the batch's entries that are traced: at least one */
  constructor(tracing: Tracing, batch: TracedBatch, traced: readonly Entry[]) {
    this.#tracing = tracing
    this.#batch = batch
    this.#traced = new Map(traced.map((entry) => [entry, []]))
    this.#startTime = tracing.now()
    const { stream, group, entries } = batch
    this.#span = tracing.startSpan(streamSpan('process', stream), 'consumer', {
      links: linksTo(traced),
      attributes: { ...streamAttributes('process', stream, group), [ATTRIBUTE.batchCount]: entries.length },
      startTime: this.#startTime,
    })
  }

  /** Of the batch's span: for the log. */
  get traceparent(): string {
    return this.#span.traceparent
  }

  /** Whether these, or this one, are of the batch. */
  has([entry]: readonly Entry[]): boolean {
    return entry !== undefined && this.#batch.entries.includes(entry)
  }

  /** Learns which items came from which entry. One that is for other sinks leaves no spans here. */
  onDecoded(decoded: readonly Decoded<unknown>[]): void {
    for (const { entry, changes, rejected } of decoded) {
      if (!this.#traced.has(entry)) continue
      for (const item of changes) this.#sources.set(item, entry)
      if (changes.length + rejected.size === 0) this.#traced.delete(entry)
    }
  }

  /** The store has answered something, or failed to. */
  onStoreCall(call: StoreCall<unknown>): void {
    const entries = new Set<Entry>()
    for (const item of call.items()) {
      const entry = this.#sources.get(item)
      if (entry) entries.add(entry)
    }
    this.#note(stepOfStore(call, this.#batch.group, this.#timeOf(call.startedAt)), entries)
  }

  /** Entries have been settled, or could not be. */
  onSettling(call: StreamCall): void {
    this.#note(stepOfStream(call, this.#batch.group, this.#timeOf(call.startedAt)), call.entries)
  }

  /** What was tried will be tried again. */
  onRetry({ message }: Error, attempt: number): void {
    // Each entry has the message instead: after hours its trace would consist of nothing but failed commands.
    for (let at = this.#steps.length - 1; this.#steps[at]?.failure !== undefined; at--) {
      const step = this.#steps[at]
      if (step) step.inVain = true
    }
    keepEnds(this.#retries, { at: this.#tracing.now(), attempt, message }, MOST_RETRIES)
  }

  /** Everything is settled. @param outcomes what became of each entry */
  end(outcomes: readonly Outcome[]): void {
    const failures = new Map(outcomes.map(({ entry, letters }) => [entry, letters[0]?.reason]))
    this.#finish((entry) => failures.get(entry))
  }

  /** It is given up; what is not settled is delivered again. */
  abandon(error: unknown): void {
    const failure = error instanceof Error ? error.name : String(error)
    this.#finish(() => failure, failure)
  }

  #note(step: Step, entries: Iterable<Entry>): void {
    keepEnds(this.#steps, step, MOST_STEPS)
    for (const entry of entries) {
      const own = this.#traced.get(entry)
      if (own) keepEnds(own, step, MOST_STEPS_OF_AN_ENTRY)
    }
  }

  #timeOf(startedAt: number): number {
    return this.#tracing.now() - (performance.now() - startedAt)
  }

  #finish(failureOf: (entry: Entry) => string | undefined, ofBatch?: string): void {
    if (this.#traced.size === 0) return
    const endTime = this.#tracing.now()
    this.#endSpan(this.#span, ofBatch, endTime)
    const whole = new Map(this.#steps.map((step) => [step, this.#spanOf(step, this.#span, step.attributes)]))
    for (const [entry, steps] of this.#traced) {
      const span = this.#spanOfEntry(entry, endTime)
      this.#endSpan(span, failureOf(entry), endTime)
      for (const step of steps) if (!step.inVain) this.#spanOf(step, span, step.identity, whole.get(step))
    }
  }

  #spanOfEntry({ id, partition, source, trace, origin }: Entry, endTime: number): Span {
    const { name, attributes } = this.#processOf(partition)
    return this.#tracing.startSpan(name, 'consumer', {
      parent: origin === undefined ? trace : undefined,
      links: origin === undefined ? [this.#span] : [this.#span, { traceparent: trace }],
      // Not by spread: that takes ten times as long.
      attributes: Object.assign({}, attributes, {
        [ATTRIBUTE.messageId]: id,
        [ATTRIBUTE.source]: source,
        [ATTRIBUTE.eventAge]: (endTime - receivedAt(id)) / 1_000,
      }),
      startTime: this.#startTime,
    })
  }

  /** What the spans of a partition's entries have in common. */
  #processOf(partition: number): { name: string; attributes: SpanAttributes } {
    const known = this.#processes.get(partition)
    if (known) return known
    const { streams, stream: ofAll, group, deliveries } = this.#batch
    const stream = streams.get(partition) ?? ofAll
    const attributes = {
      ...streamAttributes('process', stream, group),
      [ATTRIBUTE.destinationPartition]: String(partition),
      ...(deliveries > 0 && { [ATTRIBUTE.deliveries]: deliveries + 1 }),
    }
    const process = { name: streamSpan('process', stream), attributes }
    this.#processes.set(partition, process)
    return process
  }

  #spanOf(step: Step, parent: Span, attributes: SpanAttributes, whole?: Span): Span {
    const { name, kind, startTime, endTime, failure } = step
    const links = whole === undefined ? [] : [whole]
    const span = this.#tracing.startSpan(name, kind, { parent, links, attributes, startTime })
    if (failure === undefined) span.end(undefined, endTime)
    else span.fail(failure, undefined, endTime)
    return span
  }

  #endSpan(span: Span, failure: string | undefined, endTime: number): void {
    for (const { at, attempt, message } of this.#retries) {
      span.event(RETRY, { [ATTRIBUTE.attempt]: attempt, [ATTRIBUTE.exceptionMessage]: message }, at)
    }
    if (failure === undefined) span.end(undefined, endTime)
    else span.fail(failure, undefined, endTime)
  }
}
