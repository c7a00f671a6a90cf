import type { RejectedError } from '../errors.js'
import type { SinkItem } from '../sinks/sink.js'
import type { Outcome } from '../stream/acknowledge.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import { nameOfAll, type PartitionKeys } from '../stream/keys.js'
import type { Command } from '../telemetry/command.js'
import { type TraceIds, traceIds } from '../telemetry/log.js'
import { ATTRIBUTE, COMMITTED, commandSpan, OPERATION, RETRY } from '../telemetry/names.js'
import {
  MAX_LINKS,
  type Span,
  type SpanAttributes,
  type SpanLink,
  type Tracing,
} from '../telemetry/tracing.js'
import { spanOf, streamAttributes } from './command-span.js'
import type { Decoded } from './decode.js'
import type { Batch, WorkerObserver } from './observer.js'

/** Limits, because a store may be away for days: above them, items in the middle are dropped. */
const MOST_RETRIES = 32
const MOST_COMMANDS = 5_000

interface Retry {
  readonly at: number
  readonly attempt: number
  readonly message: string
}

/** A batch with at least one traced entry. */
interface TracedBatch {
  readonly batch: Batch
  readonly span: Span
  readonly startTime: number
  /** The entries that get a span; entries for other sinks get none. */
  readonly traced: Set<Entry>
  /** The entries with at least one event durable in the sink. */
  readonly committed: Set<Entry>
  committedAt: number
  readonly commands: Command[]
  readonly retries: Retry[]
}

/**
 * The spans of a worker. A root span stands for the batch; it links to the traced messages in it, and its children are
 * its commands. Each traced entry continues its request's trace with one span, `process`, which links to the batch's
 * span. A redriven entry begins a new trace, because its request may be weeks old, and links to the request's trace.
 *
 * All spans are made at the end, parents first. So a killed worker leaves no span without its parent; the worker that
 * claims its entries makes the spans. An entry that the edge has not sampled costs one field access.
 */
export class WorkerTraces<Item extends SinkItem> implements Partial<WorkerObserver<Item>> {
  /** Batches in flight. Not a WeakMap: it would keep its values alive until V8's next full collection. */
  readonly #batches = new Map<Batch, TracedBatch>()
  readonly #stream: string
  readonly #streams: ReadonlyMap<number, string>

  /** @param group the worker's: the name of its sink */
  constructor(
    private readonly tracing: Tracing,
    private readonly group: string,
    partitions: readonly PartitionKeys[],
  ) {
    this.#stream = nameOfAll(partitions, 'events')
    this.#streams = new Map(partitions.map(({ partition, events }) => [partition, events]))
  }

  /** Returns a batch's trace ids for the log. */
  idsOf(batch: Batch): TraceIds {
    return traceIds(this.#batches.get(batch)?.span.traceparent ?? '')
  }

  read(batch: Batch, commands: readonly Command[]): void {
    const { tracing, group } = this
    if (!tracing.on) return
    const carrying = batch.entries.filter(({ trace }) => trace !== '')
    const traced = carrying.slice(0, carrying.length > 0 ? tracing.reserve(carrying.length) : 0)
    if (traced.length === 0) return
    const links = linksTo(traced)
    for (const command of commands) this.#command(command, undefined, links)
    const startTime = this.#timeOf(batch.begunAt)
    const span = tracing.startSpan(commandSpan(OPERATION.process, this.#stream), 'consumer', {
      links,
      attributes: {
        ...streamAttributes(OPERATION.process, this.#stream, group),
        [ATTRIBUTE.batchCount]: batch.entries.length,
      },
      startTime,
    })
    const rest = { committed: new Set<Entry>(), committedAt: 0, commands: [], retries: [] }
    this.#batches.set(batch, { batch, span, startTime, traced: new Set(traced), ...rest })
  }

  decoded(batch: Batch, decoded: readonly Decoded<Item>[]): void {
    const about = this.#batches.get(batch)
    if (!about) return
    for (const { entry, changes, rejected } of decoded) {
      // `trace` first: of the other entries the loop then reads one field, not their changes too.
      if (entry.trace !== '' && changes.length + rejected.size === 0) about.traced.delete(entry)
    }
  }

  sent(batch: Batch, _to: 'sink' | 'log', command: Command): void {
    const about = this.#batches.get(batch)
    if (about) keepEnds(about.commands, command, MOST_COMMANDS)
  }

  retried(batch: Batch | undefined, { message }: Error, attempt: number): void {
    const about = batch && this.#batches.get(batch)
    if (about) keepEnds(about.retries, { at: this.tracing.now(), attempt, message }, MOST_RETRIES)
  }

  written(batch: Batch, decoded: readonly Decoded<Item>[], refused: ReadonlyMap<Item, RejectedError>): void {
    const about = this.#batches.get(batch)
    if (!about) return
    about.committedAt = this.tracing.now()
    for (const { entry, changes } of decoded) {
      if (about.traced.has(entry) && changes.some((change) => !refused.has(change)))
        about.committed.add(entry)
    }
  }

  acknowledged(batch: Batch, outcomes: readonly Outcome[]): void {
    if (!this.#batches.has(batch)) return
    const failures = new Map<Entry, string>()
    for (const { entry, letters } of outcomes) {
      if (letters[0]) failures.set(entry, letters[0].reason)
    }
    this.#finish(batch, (entry) => failures.get(entry))
  }

  abandoned(batch: Batch, error: unknown): void {
    const failure = error instanceof Error ? error.name : String(error)
    this.#finish(batch, () => failure, failure)
  }

  #finish(batch: Batch, failureOf: (entry: Entry) => string | undefined, ofBatch?: string): void {
    const about = this.#batches.get(batch)
    this.#batches.delete(batch)
    if (!about || about.traced.size === 0) return
    const endTime = this.tracing.now()
    this.#end(about, about.span, ofBatch, endTime)
    for (const command of about.commands) this.#command(command, about.span)
    const processes = new Map<number, SpanAttributes>()
    for (const entry of about.traced) {
      const shared = processes.get(entry.partition) ?? this.#attributesOf(entry.partition, batch)
      processes.set(entry.partition, shared)
      const span = this.#process(about, entry, shared, endTime)
      this.#end(
        about,
        span,
        failureOf(entry),
        endTime,
        about.committed.has(entry) ? about.committedAt : undefined,
      )
    }
  }

  /** What the spans of a partition's entries have in common. */
  #attributesOf(partition: number, { deliveries }: Batch): SpanAttributes {
    const stream = this.#streams.get(partition) ?? this.#stream
    return {
      ...streamAttributes(OPERATION.process, stream, this.group),
      [ATTRIBUTE.destinationPartition]: String(partition),
      [ATTRIBUTE.deliveries]: deliveries > 0 ? deliveries + 1 : undefined,
    }
  }

  #process(
    { span: whole, startTime }: TracedBatch,
    entry: Entry,
    shared: SpanAttributes,
    endTime: number,
  ): Span {
    const { id, source, trace, origin } = entry
    return this.tracing.startSpan(
      commandSpan(OPERATION.process, String(shared[ATTRIBUTE.destination])),
      'consumer',
      {
        parent: origin === undefined ? trace : undefined,
        links: origin === undefined ? [whole] : [whole, { traceparent: trace }],
        // Not spread, which takes ten times as long.
        attributes: Object.assign({}, shared, {
          [ATTRIBUTE.messageId]: id,
          [ATTRIBUTE.source]: source,
          [ATTRIBUTE.eventAge]: (endTime - receivedAt(id)) / 1_000,
        }),
        startTime,
      },
    )
  }

  #command(command: Command, parent: Span | undefined, links: readonly SpanLink[] = []): void {
    const { name, kind, attributes, failure } = spanOf(command, this.group)
    const startTime = this.#timeOf(command.startedAt)
    const span = this.tracing.startSpan(name, kind, { parent, links, attributes, startTime })
    endSpan(span, failure, startTime + command.durationMs)
  }

  #end(
    { retries }: TracedBatch,
    span: Span,
    failure: string | undefined,
    endTime: number,
    committedAt = endTime,
  ): void {
    const retry = ({ at, attempt, message }: Retry) =>
      span.event(RETRY, { [ATTRIBUTE.attempt]: attempt, [ATTRIBUTE.exceptionMessage]: message }, at)
    for (const one of retries) if (one.at <= committedAt) retry(one)
    if (committedAt !== endTime) span.event(COMMITTED, {}, committedAt)
    for (const one of retries) if (one.at > committedAt) retry(one)
    endSpan(span, failure, endTime)
  }

  /** @param at of `performance.now()` */
  #timeOf(at: number): number {
    return this.tracing.now() - (performance.now() - at)
  }
}

function endSpan(span: Span, failure: string | undefined, at: number): void {
  if (failure === undefined) span.end(undefined, at)
  else span.fail(failure, undefined, at)
}

/** Links to the spans that appended these entries; only to the first ones if there are more than a span may have. */
function linksTo(traced: readonly Entry[]): SpanLink[] {
  return traced
    .slice(0, MAX_LINKS)
    .map(({ trace, id }) => ({ traceparent: trace, attributes: { [ATTRIBUTE.messageId]: id } }))
}

/** Appends to a list; above `most` items, drops one from the middle. */
function keepEnds<T>(list: T[], one: T, most: number): void {
  list.push(one)
  if (list.length > most) list.splice(most >> 1, 1)
}
