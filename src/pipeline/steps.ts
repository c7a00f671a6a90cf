import type { StoreCall } from '../sinks/sink.js'
import type { StreamCall } from '../stream/calls.js'
import type { Entry } from '../stream/entry.js'
import {
  ATTRIBUTE,
  MESSAGING_SYSTEM,
  OPERATION,
  OPERATION_TYPE,
  storeSpan,
  streamSpan,
} from '../telemetry/names.js'
import type { Timing } from '../telemetry/timing.js'
import { type Kind, MAX_LINKS, type SpanAttributes, type SpanLink } from '../telemetry/tracing.js'

/** A command that has come to its end, as spans are to show it. */
export interface Step {
  readonly name: string
  readonly kind: Kind
  /** Of the whole command. */
  readonly attributes: SpanAttributes
  /** Of the spans that stand for it in the traces of events: they link to the whole, which has the rest. */
  readonly identity: SpanAttributes
  /** In milliseconds since 1970. */
  readonly startTime: number
  readonly endTime: number
  /** The code of what it failed with. */
  readonly failure: string | undefined
  /** Whether it will be tried again. */
  inVain: boolean
}

/** What spans say that work on a stream. */
export function streamAttributes(
  operation: keyof typeof OPERATION,
  stream: string,
  group: string,
): SpanAttributes {
  return {
    [ATTRIBUTE.messagingSystem]: MESSAGING_SYSTEM,
    [ATTRIBUTE.operationName]: OPERATION[operation],
    [ATTRIBUTE.operationType]: OPERATION_TYPE[operation],
    [ATTRIBUTE.destination]: stream,
    [ATTRIBUTE.consumerGroup]: group,
  }
}

/** Links to the spans that appended these entries: to the first of them where they are more than a span may have. */
export function linksTo(traced: readonly Entry[]): SpanLink[] {
  const first = traced.length > MAX_LINKS ? traced.slice(0, MAX_LINKS) : traced
  return first.map(({ trace, id }) => ({ traceparent: trace, attributes: { [ATTRIBUTE.messageId]: id } }))
}

/** A command to a stream. @param startTime in milliseconds since 1970 */
export function stepOfStream(call: StreamCall, group: string, startTime: number): Step {
  const { operation, stream, entries, reason } = call
  const why = reason === undefined ? {} : { [ATTRIBUTE.deadLetterReason]: reason }
  return {
    ...timesOf(call, startTime),
    name: streamSpan(operation, stream),
    kind: operation === 'bury' ? 'producer' : 'client',
    attributes: {
      ...streamAttributes(operation, stream, group),
      [ATTRIBUTE.batchCount]: entries.length,
      ...why,
    },
    identity: { ...identityOf(operation), ...why },
  }
}

/** A command to a store; the clean feed, which is a stream, is another one's log. @param startTime as above */
export function stepOfStore(call: StoreCall<unknown>, group: string, startTime: number): Step {
  const { system, operation, collection, count } = call
  const times = timesOf(call, startTime)
  if (system === 'redis') {
    const attributes = { ...streamAttributes('append', collection, group), [ATTRIBUTE.batchCount]: count }
    const identity = identityOf('append')
    return { ...times, name: streamSpan('append', collection), kind: 'producer', attributes, identity }
  }
  const identity = { [ATTRIBUTE.storeSystem]: system, [ATTRIBUTE.storeOperation]: operation }
  const attributes = {
    ...identity,
    [ATTRIBUTE.storeCollection]: collection,
    ...(times.failure !== undefined && { [ATTRIBUTE.storeStatus]: times.failure }),
    // The conventions: a COPY is one operation, however many rows it takes; so is a find.
    ...(operation === 'bulkWrite' && { [ATTRIBUTE.storeBatch]: count }),
  }
  return { ...times, name: storeSpan(operation, collection), kind: 'client', attributes, identity }
}

function identityOf(operation: keyof typeof OPERATION): SpanAttributes {
  return {
    [ATTRIBUTE.messagingSystem]: MESSAGING_SYSTEM,
    [ATTRIBUTE.operationName]: OPERATION[operation],
  }
}

function timesOf({ durationMs, error }: Timing, startTime: number) {
  const failure = error === undefined ? undefined : codeOf(error)
  return { startTime, endTime: startTime + durationMs, failure, inVain: false }
}

/** Never the message: a store's may quote the value that it refuses. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code: unknown = Reflect.get(error, 'code')
  return code === undefined || code === null ? error.name : String(code)
}

/** Adds to a list that keeps its beginning and its end: above `most` one goes from the middle. */
export function keepEnds<T>(list: T[], one: T, most: number): void {
  list.push(one)
  if (list.length > most) list.splice(most >> 1, 1)
}
