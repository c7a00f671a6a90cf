import {
  type Attributes,
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  type Link,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { ATTRIBUTE } from './names.js'

/** Names and values of a span's attributes; those that are `undefined` are left out. */
export type SpanAttributes = Attributes

/** Another span that is related to this one without being its parent or child. */
export interface SpanLink {
  /** W3C `traceparent` of the other span; an invalid one is left out. */
  readonly traceparent: string
  /** W3C `tracestate` that came with it. */
  readonly tracestate?: string
  readonly attributes?: SpanAttributes
}

/** Kind of a span: `client` sends and waits, `producer` writes for later processing. */
export type Kind = Lowercase<keyof typeof SpanKind>

/** What a span starts with. */
export interface SpanOptions {
  /** The parent span, or its `traceparent`; without a valid one the span starts a trace. */
  readonly parent?: Span | string | undefined
  /** Only the first {@link MAX_LINKS} are used. */
  readonly links?: readonly (Span | SpanLink)[]
  readonly attributes?: SpanAttributes
  /** In ms since 1970, of {@link Tracing.now}; default: now. */
  readonly startTime?: number
}

/** Maximum number of a span's links, as in the SDK. */
export const MAX_LINKS = 128

/**
 * Creates spans. The code passes contexts explicitly, as `traceparent`: there is no context in the background.
 * Only the edge decides what is traced; everything after it that has a `traceparent` is traced.
 */
export interface Tracing {
  /** Whether spans are exported; where not, callers can skip the work for them. */
  readonly on: boolean
  /** Whether a request is to be traced. Costs one random number, nothing else. */
  sample(): boolean
  /** Reserves spans for whole events; returns how many of these events can be traced now. The rest count as lost. */
  reserve(events: number): number
  /** The time for spans, in ms since 1970 with fractions. */
  now(): number
  /** Starts a span; one without effect where tracing is off. Costs about 9 us with its export. */
  startSpan(name: string, kind: Kind, options?: SpanOptions): Span
}

/** How many more spans can be made. */
export interface SpanRoom {
  /** Number of new events' spans that can be queued now. */
  readonly room: number
  /** Counts spans that were not made because there was no room. */
  drop(spans: number): void
}

/** Unlimited room, for tests. */
const ENDLESS: SpanRoom = { room: Number.POSITIVE_INFINITY, drop: () => undefined }

/** Spans of an event in one process: two at the edge; at a worker one, and its share of the batch's. */
const SPANS_OF_AN_EVENT = 2

const W3C = new W3CTraceContextPropagator()

/** A span: the SDK's own, with the few operations that are used here. */
export class Span {
  constructor(
    private readonly span: OtelSpan | undefined,
    private readonly now: () => number,
  ) {}

  get context(): SpanContext | undefined {
    return this.span?.spanContext()
  }

  /** What other spans use as their parent or link; empty where tracing is off. */
  get traceparent(): string {
    const carrier = { traceparent: '' }
    if (this.span) W3C.inject(trace.setSpan(ROOT_CONTEXT, this.span), carrier, defaultTextMapSetter)
    return carrier.traceparent
  }

  /** Sets the name, where it is known only later. */
  rename(name: string): void {
    this.span?.updateName(name)
  }

  set(attributes: SpanAttributes): void {
    this.span?.setAttributes(attributes)
  }

  /** Adds an event to the span. @param at in ms since 1970, of {@link Tracing.now} */
  event(name: string, attributes: SpanAttributes, at: number): void {
    this.span?.addEvent(name, attributes, at)
  }

  /** Ends the span. @param at in ms since 1970, of {@link Tracing.now}; default: now */
  end(attributes: SpanAttributes = {}, at = this.now()): void {
    this.span?.setAttributes(attributes).end(at)
  }

  /** Ends the span as failed, with an error or a code. Records the error message: no bodies or secrets in it. */
  fail(error: unknown, attributes: SpanAttributes = {}, at = this.now()): void {
    const [type, message] = error instanceof Error ? [error.name, error.message] : [String(error), undefined]
    this.span?.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
    this.end({ [ATTRIBUTE.errorType]: type, ...attributes }, at)
  }
}

const NO_SPAN = new Span(undefined, Date.now)

/** Tracing that makes no spans. */
export const NO_TRACING: Tracing = {
  on: false,
  sample: () => false,
  reserve: () => 0,
  now: Date.now,
  startSpan: () => NO_SPAN,
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

/**
 * @param tracer of the SDK; it samples every span that it starts
 * @param ratio share of the requests that are traced, 0 to 1
 * @param queue accepts the spans
 */
export function createTracing(tracer: Tracer, ratio: number, queue: SpanRoom = ENDLESS): Tracing {
  const now = createClock()
  const reserve = (events: number) => {
    const most = Math.min(events, Math.floor(queue.room / SPANS_OF_AN_EVENT))
    if (most < events) queue.drop((events - most) * SPANS_OF_AN_EVENT)
    return most
  }
  return {
    on: true,
    sample: () => Math.random() < ratio && reserve(1) === 1,
    reserve,
    now,
    startSpan: (name, kind, { parent, links = [], attributes = {}, startTime = now() } = {}) => {
      const options = { kind: KINDS[kind], links: toLinks(links), attributes, startTime }
      return new Span(tracer.startSpan(name, options, contextOf(parent)), now)
    },
  }
}

/** The context of a W3C `traceparent` and `tracestate`; `undefined` where invalid. Costs half a microsecond. */
export function parseTraceparent(traceparent: string, tracestate = ''): SpanContext | undefined {
  return trace.getSpanContext(W3C.extract(ROOT_CONTEXT, { traceparent, tracestate }, defaultTextMapGetter))
}

function contextOf(parent: Span | string | undefined): Context {
  const context = parent instanceof Span ? parent.context : parent && parseTraceparent(parent)
  return context ? trace.setSpanContext(ROOT_CONTEXT, context) : ROOT_CONTEXT
}

function toLinks(links: readonly (Span | SpanLink)[]): Link[] {
  return links.slice(0, MAX_LINKS).flatMap((link) => {
    if (link instanceof Span) return link.context ? { context: link.context } : []
    const { traceparent, tracestate, attributes } = link
    const context = parseTraceparent(traceparent, tracestate)
    return context ? { context, ...(attributes && { attributes }) } : []
  })
}

/** A larger difference means that the monotonic clock drifted or that the wall clock was set, in ms. */
const DRIFT_MS = 50

/**
 * More exact than `Date.now()`, and as right as the wall clock. All spans use it: the SDK guesses an offset for each
 * span anew, so with its time a child may end a millisecond after its parent.
 */
function createClock(): () => number {
  let offset = Date.now() - performance.now()
  return () => {
    const wall = Date.now()
    if (Math.abs(performance.now() + offset - wall) > DRIFT_MS) offset = wall - performance.now()
    return performance.now() + offset
  }
}
