import { type Attributes, type SpanContext, SpanKind } from '@opentelemetry/api'
import { type SpanOrigin, TracedSpan } from './traced-span.js'
import { parseTraceparent } from './traceparent.js'

/** Names and values of a span; those that are `undefined` are left out. */
export type SpanAttributes = Attributes

/** What a span is to those who it deals with. */
export type Kind = SpanKindName

/** A span that this one has to do with, without being its child. */
export interface SpanLink {
  /** W3C `traceparent` of the other; one that is not valid is left out. */
  readonly traceparent: string
  /** W3C `tracestate` that came with it. */
  readonly tracestate?: string
  readonly attributes?: SpanAttributes
}

/** Which side of what it is: `client` asks and waits, `producer` leaves something for later. */
export type SpanKindName = Lowercase<keyof typeof SpanKind>

/** What a span begins with. */
export interface SpanOptions {
  /** The span that this is a part of, or its `traceparent`; without a valid one the span begins a trace. */
  readonly parent?: Span | string | undefined
  readonly links?: readonly (Span | string | SpanLink)[]
  readonly attributes?: SpanAttributes
  /** In ms since 1970, of {@link Tracing.now}; now by default. */
  readonly startTime?: number
}

/** A stretch of work that is being traced. After its end it takes nothing more. */
export interface Span {
  /** What others are to name as their parent or link; empty where tracing is off. */
  readonly traceparent: string
  /** For what is known only later. */
  rename(name: string): void
  set(attributes: SpanAttributes): void
  link(to: string | SpanLink): void
  /** Something that happened meanwhile. @param at in ms since 1970, of {@link Tracing.now} */
  event(name: string, attributes: SpanAttributes, at: number): void
  /** @param at in ms since 1970, of {@link Tracing.now}; now by default */
  end(attributes?: SpanAttributes, at?: number): void
  /** Ends it as failed, by an error or a code for one. Takes the error's message, so no bodies or secrets in it. */
  fail(error: unknown, attributes?: SpanAttributes, at?: number): void
}

/**
 * Where spans are made. Contexts are passed by hand, as `traceparent`: nothing is looked up in the background.
 * The edge alone decides what is traced; after it, what carries a `traceparent` is.
 */
export interface Tracing {
  /** Whether spans go anywhere: where not, callers can spare themselves the work for them. */
  readonly on: boolean
  /** Whether a request is to be traced. Costs one random number, nothing else. */
  sample(): boolean
  /** Of an event's spans all are made or none: of so many events, how many can be traced now. The rest count as lost. */
  afford(events: number): number
  /** The time as spans have it, in ms since 1970 with fractions. */
  now(): number
  /** Begins a span; where tracing is off one that does nothing. Costs about 2 us with its export. */
  startSpan(name: string, kind: Kind, options?: SpanOptions): Span
}

const NO_SPAN: Span = {
  traceparent: '',
  rename: () => undefined,
  set: () => undefined,
  link: () => undefined,
  event: () => undefined,
  end: () => undefined,
  fail: () => undefined,
}

/** No spans at all. */
export const NO_TRACING: Tracing = {
  on: false,
  sample: () => false,
  afford: () => 0,
  now: () => Date.now(),
  startSpan: () => NO_SPAN,
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

/** How many spans may still be made. */
export interface SpanRoom {
  /** Spans of new events that can be queued now. */
  readonly room: number
  /** Counts spans that are not made, because there was no room for them. */
  forgo(spans: number): void
}

/** Without end: for tests. */
const ENDLESS: SpanRoom = { room: Number.POSITIVE_INFINITY, forgo: () => undefined }

/** Spans that an event leaves in one process, about: at the edge two, at a worker three or four. */
const SPANS_OF_AN_EVENT = 4

/**
 * @param origin of the spans, and where they go at their end
 * @param ratio share of the requests that are traced, 0 to 1
 * @param queue that takes them
 */
export function createTracing(
  origin: Omit<SpanOrigin, 'now'>,
  ratio: number,
  queue: SpanRoom = ENDLESS,
): Tracing {
  const now = createClock()
  const whole = { ...origin, now }
  const afford = (events: number) => {
    const most = Math.min(events, Math.floor(queue.room / SPANS_OF_AN_EVENT))
    if (most < events) queue.forgo((events - most) * SPANS_OF_AN_EVENT)
    return most
  }
  return {
    on: true,
    sample: () => Math.random() < ratio && afford(1) === 1,
    afford,
    now,
    startSpan: (name, kind, { parent, links = [], attributes = {}, startTime = now() } = {}) =>
      new TracedSpan(whole, name, KINDS[kind], contextOf(parent), links, attributes, startTime),
  }
}

function contextOf(parent: Span | string | undefined): SpanContext | undefined {
  if (parent instanceof TracedSpan) return parent.context
  return typeof parent === 'string' ? parseTraceparent(parent) : undefined
}

/** Over this the monotonic clock has drifted from the wall clock, or that has been set, in ms. */
const DRIFT_MS = 50

/** Finer than `Date.now()`, so that a child never ends after its parent, and as right as the wall clock. */
function createClock(): () => number {
  let offset = Date.now() - performance.now()
  return () => {
    const wall = Date.now()
    if (Math.abs(performance.now() + offset - wall) > DRIFT_MS) offset = wall - performance.now()
    return performance.now() + offset
  }
}
