import {
  type HrTime,
  type Link,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
  SpanStatusCode,
  TraceFlags,
} from '@opentelemetry/api'
import type { InstrumentationScope } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan, TimedEvent } from '@opentelemetry/sdk-trace-base'
import { ATTRIBUTE } from './names.js'
import { newSpanId, newTraceId } from './span-ids.js'
import { formatTraceparent, parseTraceparent } from './traceparent.js'
import type { Span, SpanAttributes, SpanLink } from './tracing.js'

/** Links that a span has at most, as in the SDK. Of a larger batch the first ones are linked. */
export const MAX_LINKS = 128

/** What all spans of a process have in common. */
export interface SpanOrigin {
  readonly resource: Resource
  readonly instrumentationScope: InstrumentationScope
  /** The time, in ms since 1970 with fractions. */
  readonly now: () => number
  /** Takes a span that has come to its end. */
  readonly onEnd: (span: ReadableSpan) => void
}

/**
 * A span as it is written and as exporters read it, in one object: the SDK's own take several objects, and copy and
 * check each attribute, at a price that a worker feels where everything is traced. Attributes and links are shared with
 * whoever has given them, until they change.
 */
export class TracedSpan implements Span, ReadableSpan {
  readonly context: SpanContext
  readonly parentSpanContext?: SpanContext
  readonly droppedAttributesCount = 0
  readonly droppedEventsCount = 0
  readonly droppedLinksCount = 0
  readonly events: TimedEvent[] = []
  status: SpanStatus = UNSET
  ended = false
  #endTime = 0
  #attributes: SpanAttributes
  #links: Link[]
  #linkTo: Link[] | undefined

  constructor(
    readonly origin: SpanOrigin,
    public name: string,
    readonly kind: SpanKind,
    parent: SpanContext | undefined,
    links: readonly (Span | string | SpanLink)[],
    attributes: SpanAttributes,
    readonly startedAt: number,
  ) {
    const traceId = parent?.traceId ?? newTraceId()
    this.context = { traceId, spanId: newSpanId(), traceFlags: TraceFlags.SAMPLED }
    if (parent) this.parentSpanContext = parent
    this.#attributes = known(attributes)
    this.#links = toLinks(links)
  }

  get traceparent(): string {
    return formatTraceparent(this.context)
  }

  rename(name: string): void {
    if (!this.ended) this.name = name
  }

  set(attributes: SpanAttributes): void {
    // Not by spread: that takes ten times as long.
    if (!this.ended) this.#attributes = known(Object.assign({}, this.#attributes, attributes))
  }

  link(to: string | SpanLink): void {
    const link = toLink(to)
    if (link && !this.ended && this.#links.length < MAX_LINKS) this.#links = [...this.#links, link]
  }

  event(name: string, attributes: SpanAttributes, at: number): void {
    if (!this.ended) this.events.push({ name, attributes, time: toHrTime(at), droppedAttributesCount: 0 })
  }

  end(attributes?: SpanAttributes, at = this.origin.now()): void {
    if (this.ended) return
    if (attributes) this.set(attributes)
    this.ended = true
    this.#endTime = Math.max(at, this.startedAt)
    this.origin.onEnd(this)
  }

  fail(error: unknown, attributes?: SpanAttributes, at?: number): void {
    if (this.ended) return
    const [type, message] = error instanceof Error ? [error.name, error.message] : [String(error), undefined]
    this.status = { code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) }
    this.end({ [ATTRIBUTE.errorType]: type, ...attributes }, at)
  }

  /** A list of one link to this span, for all that link to it alone. */
  get linkTo(): Link[] {
    this.#linkTo ??= [{ context: this.context }]
    return this.#linkTo
  }

  spanContext(): SpanContext {
    return this.context
  }

  get attributes(): SpanAttributes {
    return this.#attributes
  }

  get links(): Link[] {
    return this.#links
  }

  get startTime(): HrTime {
    return toHrTime(this.startedAt)
  }

  get endTime(): HrTime {
    return toHrTime(this.#endTime)
  }

  get duration(): HrTime {
    return toHrTime(this.#endTime - this.startedAt)
  }

  get resource(): Resource {
    return this.origin.resource
  }

  get instrumentationScope(): InstrumentationScope {
    return this.origin.instrumentationScope
  }
}

const UNSET: SpanStatus = { code: SpanStatusCode.UNSET }

/** Without those that are `undefined`: an exporter would write their names. */
function known(attributes: SpanAttributes): SpanAttributes {
  for (const name in attributes) if (attributes[name] === undefined) return withoutUndefined(attributes)
  return attributes
}

function withoutUndefined(attributes: SpanAttributes): SpanAttributes {
  const left: SpanAttributes = {}
  for (const name in attributes) if (attributes[name] !== undefined) left[name] = attributes[name]
  return left
}

function toLinks(links: readonly (Span | string | SpanLink)[]): Link[] {
  const [first] = links
  if (links.length === 1 && first instanceof TracedSpan) return first.linkTo
  return links.slice(0, MAX_LINKS).flatMap((link) => toLink(link) ?? [])
}

function toLink(link: Span | string | SpanLink): Link | undefined {
  if (link instanceof TracedSpan) return link.linkTo[0]
  const { traceparent, tracestate, attributes }: SpanLink =
    typeof link === 'string' ? { traceparent: link } : link
  const context = parseTraceparent(traceparent, tracestate)
  return context && { context, ...(attributes && { attributes }) }
}

function toHrTime(ms: number): HrTime {
  const seconds = Math.trunc(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)]
}
