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

/** Names and values of a span; those that are `undefined` are left out. */
export type SpanAttributes = Attributes

/** Another span that this one has to do with, without being its child. */
export interface SpanLink {
  /** W3C `traceparent` of the other; one that is not valid is left out. */
  readonly traceparent: string
  /** W3C `tracestate` that came with it. */
  readonly tracestate?: string
  readonly attributes?: SpanAttributes
}

/** The side that a span shows: `client` asks and waits, `producer` leaves something for later. */
export type Kind = Lowercase<keyof typeof SpanKind>

/** What a span begins with. */
export interface SpanOptions {
  /** The span that this is a part of, or its `traceparent`; without a valid one the span begins a trace. */
  readonly parent?: Span | string | undefined
  /** The first {@link MAX_LINKS} count. */
  readonly links?: readonly (Span | SpanLink)[]
  readonly attributes?: SpanAttributes
  /** In ms since 1970, of {@link Tracing.now}; now by default. */
  readonly startTime?: number
}

/** Links that a span has at most, as in the SDK. */
export const MAX_LINKS = 128

/**
 * Where spans are made. Contexts are passed by hand, as `traceparent`: nothing is looked up in the background.
 * The edge alone decides what is traced; after it, what carries a `traceparent` is.
 */
export interface Tracing {
  /** Whether spans go anywhere: where not, callers can spare themselves the work for them. */
  readonly on: boolean
  /** Whether a request is to be traced. Costs one random number, nothing else. */
  sample(): boolean
  /** Of an event's spans all are made or none: how many of these events can be traced now. The rest count as lost. */
  reserve(events: number): number
  /** The time as spans have it, in ms since 1970 with fractions. */
  now(): number
  /** Begins a span; where tracing is off one that does nothing. Costs about 9 us with its export. */
  startSpan(name: string, kind: Kind, options?: SpanOptions): Span
}

/** How many spans may still be made. */
export interface SpanRoom {
  /** Spans of new events that can be queued now. */
  readonly room: number
  /** Counts spans that are not made, because there was no room for them. */
  drop(spans: number): void
}

/** Without end: for tests. */
const ENDLESS: SpanRoom = { room: Number.POSITIVE_INFINITY, drop: () => undefined }

/** Spans that an event leaves in one process: at the edge two, at a worker one, and its share of the batch's. */
const SPANS_OF_AN_EVENT = 2

const W3C = new W3CTraceContextPropagator()

/** A stretch of work that is being traced: the SDK's span, with the few things that are done to one here. */
export class Span {
  constructor(
    private readonly span: OtelSpan | undefined,
    private readonly now: () => number,
  ) {}

  get context(): SpanContext | undefined {
    return this.span?.spanContext()
  }

  /** What others name as their parent or link; empty where tracing is off. */
  get traceparent(): string {
    const carrier = { traceparent: '' }
    if (this.span) W3C.inject(trace.setSpan(ROOT_CONTEXT, this.span), carrier, defaultTextMapSetter)
    return carrier.traceparent
  }

  /** For what is known only later. */
  rename(name: string): void {
    this.span?.updateName(name)
  }

  set(attributes: SpanAttributes): void {
    this.span?.setAttributes(attributes)
  }

  /** Something that happened meanwhile. @param at in ms since 1970, of {@link Tracing.now} */
  event(name: string, attributes: SpanAttributes, at: number): void {
    this.span?.addEvent(name, attributes, at)
  }

  /** @param at in ms since 1970, of {@link Tracing.now}; now by default */
  end(attributes: SpanAttributes = {}, at = this.now()): void {
    this.span?.setAttributes(attributes).end(at)
  }

  /** Ends it as failed, by an error or a code for one. Takes the error's message, so no bodies or secrets in it. */
  fail(error: unknown, attributes: SpanAttributes = {}, at = this.now()): void {
    const [type, message] = error instanceof Error ? [error.name, error.message] : [String(error), undefined]
    this.span?.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
    this.end({ [ATTRIBUTE.errorType]: type, ...attributes }, at)
  }
}

const NO_SPAN = new Span(undefined, Date.now)

/** No spans at all. */
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
 * @param tracer of the SDK; it samples everything that it is asked for
 * @param ratio share of the requests that are traced, 0 to 1
 * @param queue that takes the spans
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

/** The context of a W3C `traceparent` and `tracestate`; `undefined` for what is not one. Costs half a microsecond. */
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

/** Over this the monotonic clock has drifted from the wall clock, or that has been set, in ms. */
const DRIFT_MS = 50

/**
 * Finer than `Date.now()`, and as right as the wall clock. All spans have it: by the SDK's own time, of which each span
 * guesses its offset anew, a child may end a millisecond after its parent.
 */
function createClock(): () => number {
  let offset = Date.now() - performance.now()
  return () => {
    const wall = Date.now()
    if (Math.abs(performance.now() + offset - wall) > DRIFT_MS) offset = wall - performance.now()
    return performance.now() + offset
  }
}
