import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'

/** A span and what stands below it, in the order of their beginning. */
export interface TracedStep {
  readonly name: string
  readonly kind: string
  readonly error: unknown
  readonly span: ReadableSpan
  readonly children: readonly TracedStep[]
}

/** Spans as the trees that they make. @throws Error where a span's parent is missing, and it is none from elsewhere */
export function traceTrees(spans: readonly ReadableSpan[], elsewhere: readonly string[] = []): TracedStep[] {
  const ids = new Set(spans.map(idOf))
  const parentOf = ({ parentSpanContext }: ReadableSpan) => parentSpanContext?.spanId
  const orphans = spans.filter((span) => {
    const parent = parentOf(span)
    return parent !== undefined && !ids.has(parent) && !elsewhere.includes(parent)
  })
  if (orphans.length > 0)
    throw new Error(`Without their parents: ${orphans.map(({ name }) => name).join(', ')}`)
  const step = (span: ReadableSpan): TracedStep => ({
    name: span.name,
    kind: SpanKind[span.kind],
    error: span.status.code === SpanStatusCode.ERROR ? span.attributes['error.type'] : undefined,
    span,
    children: inOrder(spans.filter((one) => parentOf(one) === idOf(span))).map(step),
  })
  return inOrder(spans.filter((span) => !ids.has(parentOf(span) ?? ''))).map(step)
}

/** A tree as text: a line a span, children indented, keys of a test's own left out. */
export function outline(tree: TracedStep, prefix: string): string[] {
  const error = tree.error === undefined ? '' : ` !${tree.error}`
  const line = `${tree.kind} ${tree.name.replaceAll(prefix, 'test')}${error}`
  return [line, ...tree.children.flatMap((child) => outline(child, prefix).map((inner) => `  ${inner}`))]
}

/** Ids of the spans that a span links to. */
export function linksOf({ links }: ReadableSpan): string[] {
  return links.map(({ context }) => context.spanId)
}

function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId
}

function inOrder(spans: readonly ReadableSpan[]): ReadableSpan[] {
  const at = ({ startTime: [seconds, nanos] }: ReadableSpan) => seconds * 1e3 + nanos / 1e6
  return spans.toSorted((a, b) => at(a) - at(b))
}
