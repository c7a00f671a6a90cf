import { Message } from './protobuf.js'

/** An attribute's value; an array is a list of them. */
export type AttributeValue = string | number | boolean | readonly AttributeValue[] | undefined
export type Attributes = Readonly<Record<string, AttributeValue>>

const KINDS = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'] as const
const STATUSES = ['UNSET', 'OK', 'ERROR'] as const

/** Where a link leads. */
export interface Link {
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Attributes
}

/** A span as it arrived. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** Empty for a root. */
  readonly parentId: string
  readonly name: string
  readonly kind: (typeof KINDS)[number]
  /** In nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Attributes
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[]
  readonly links: readonly Link[]
  readonly status: { readonly code: (typeof STATUSES)[number]; readonly message: string }
  /** Of the library that made it. */
  readonly scope: string
  /** Of the process that made it. */
  readonly resource: Attributes
}

/** Reads an ExportTraceServiceRequest. @throws Error where the bytes are none */
export function decodeTraces(bytes: Uint8Array): Span[] {
  return new Message(bytes).messages(1).flatMap((resourceSpans) => {
    const resource = attributesOf(resourceSpans.messages(1)[0], 1)
    return resourceSpans.messages(2).flatMap((scopeSpans) => {
      const scope = scopeSpans.messages(1)[0]?.text(1) ?? ''
      return scopeSpans.messages(2).map((span) => decodeSpan(span, scope, resource))
    })
  })
}

/** Reads the names of an ExportMetricsServiceRequest. @throws Error where the bytes are none */
export function decodeMetricNames(bytes: Uint8Array): string[] {
  return new Message(bytes)
    .messages(1)
    .flatMap((resource) => resource.messages(2))
    .flatMap((scope) => scope.messages(2))
    .map((metric) => metric.text(1))
}

function decodeSpan(span: Message, scope: string, resource: Attributes): Span {
  const status = span.messages(15)[0]
  return {
    traceId: span.hex(1),
    spanId: span.hex(2),
    parentId: span.hex(4),
    name: span.text(5),
    kind: KINDS[Number(span.integer(6))] ?? 'UNSPECIFIED',
    start: span.integer(7),
    end: span.integer(8),
    attributes: attributesOf(span, 9),
    events: span.messages(11).map((event) => ({ name: event.text(2), attributes: attributesOf(event, 3) })),
    links: span.messages(13).map((link) => ({
      traceId: link.hex(1),
      spanId: link.hex(2),
      attributes: attributesOf(link, 4),
    })),
    status: {
      code: STATUSES[Number(status?.integer(3) ?? 0n)] ?? 'UNSET',
      message: status?.text(2) ?? '',
    },
    scope,
    resource,
  }
}

function attributesOf(message: Message | undefined, field: number): Attributes {
  const pairs = message?.messages(field) ?? []
  return Object.fromEntries(pairs.map((pair) => [pair.text(1), anyValue(pair.messages(2)[0])]))
}

function anyValue(value: Message | undefined): AttributeValue {
  if (value?.has(1)) return value.text(1)
  if (value?.has(2)) return value.integer(2) !== 0n
  if (value?.has(3)) return Number(BigInt.asIntN(64, value.integer(3)))
  if (value?.has(4)) return value.double(4)
  if (value?.has(5)) return value.messages(5)[0]?.messages(1).map(anyValue)
  return undefined
}
