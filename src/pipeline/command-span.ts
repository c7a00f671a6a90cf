import type { Command } from '../telemetry/command.js'
import { ATTRIBUTE, commandSpan, MESSAGING_SYSTEM, OPERATION_TYPE_OF } from '../telemetry/names.js'
import type { Kind, SpanAttributes } from '../telemetry/tracing.js'

/** Attributes of spans about a stream. @param operation Redis' name of it in lower case, or `process` */
export function streamAttributes(operation: string, stream: string, group: string): SpanAttributes {
  return {
    [ATTRIBUTE.messagingSystem]: MESSAGING_SYSTEM,
    [ATTRIBUTE.operationName]: operation,
    [ATTRIBUTE.operationType]: OPERATION_TYPE_OF[operation],
    [ATTRIBUTE.destination]: stream,
    [ATTRIBUTE.consumerGroup]: group,
  }
}

/** A command as its span shows it. */
export interface CommandSpan {
  readonly name: string
  readonly kind: Kind
  readonly attributes: SpanAttributes
  /** The code of its error. Never the message: a store's message may quote the value that it refuses. */
  readonly failure: string | undefined
}

/** Describes the span of a command. The clean feed is a stream too, so it is shown like the log. @param group the worker's consumer group */
export function spanOf(command: Command, group: string): CommandSpan {
  const { system, operation, target, count, reason } = command
  const failure = command.error === undefined ? undefined : codeOf(command.error)
  const name = commandSpan(operation, target)
  if (system === 'redis') {
    const attributes = {
      ...streamAttributes(operation, target, group),
      [ATTRIBUTE.batchCount]: count,
      [ATTRIBUTE.deadLetterReason]: reason,
    }
    return { name, kind: operation === 'xadd' ? 'producer' : 'client', attributes, failure }
  }
  const attributes = {
    [ATTRIBUTE.storeSystem]: system,
    [ATTRIBUTE.storeOperation]: operation,
    [ATTRIBUTE.storeCollection]: target,
    [ATTRIBUTE.storeStatus]: failure,
    // By the conventions a COPY is one operation, however many rows it writes; so is a find.
    [ATTRIBUTE.storeBatch]: operation === 'bulkWrite' ? count : undefined,
  }
  return { name, kind: 'client', attributes, failure }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code: unknown = Reflect.get(error, 'code')
  return code === undefined || code === null ? error.name : String(code)
}
