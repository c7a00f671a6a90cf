import { type Logger, pino } from 'pino'
import { parseTraceparent } from './tracing.js'

/** Structured log, a JSON object a line, on standard output. Bodies and secrets are never passed to it. */
export function createLog(level: string, role: string): Logger {
  return pino({ level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime })
}

/** What a log line says of the request or batch that it is about, as OpenTelemetry has it in JSON logs. */
export interface TraceIds {
  readonly trace_id?: string
  readonly span_id?: string
}

/** The fields of a log line that lead to a trace; none where the request or batch is not traced. */
export function traceIds(traceparent: string): TraceIds {
  const context = parseTraceparent(traceparent)
  return context ? { trace_id: context.traceId, span_id: context.spanId } : {}
}

/** A line of the same cause is written no more often than this, in ms. */
const SELDOM_MS = 60_000
/** So many causes are told apart at a time; all others are one. */
const MOST_CAUSES = 50

/**
 * For what may happen thousands of times a second while something is down: of each cause the first is written, and
 * then one a minute. Messages that differ in numbers alone have one cause. Costs about a microsecond.
 * @param write gets a message, how many of its cause were left out before it, and what else was given
 */
export function seldom<Rest extends unknown[]>(
  write: (message: string, repeats: number, ...rest: Rest) => void,
): (message: string, ...rest: Rest) => void {
  const causes = new Map<string, { nextAt: number; repeats: number }>()
  return (message, ...rest) => {
    const cause = causeOf(message, causes)
    const { nextAt, repeats } = causes.get(cause) ?? { nextAt: 0, repeats: 0 }
    const now = Date.now()
    if (now < nextAt) {
      causes.set(cause, { nextAt, repeats: repeats + 1 })
      return
    }
    causes.set(cause, { nextAt: now + SELDOM_MS, repeats: 0 })
    write(message, repeats, ...rest)
  }
}

function causeOf(message: string, causes: Map<string, { nextAt: number }>): string {
  const cause = message.slice(0, 200).replaceAll(/\d+/g, '#')
  if (causes.has(cause) || causes.size < MOST_CAUSES) return cause
  for (const [known, { nextAt }] of causes) if (nextAt <= Date.now()) causes.delete(known)
  return causes.size < MOST_CAUSES ? cause : 'others'
}

/** Warnings by {@link seldom}. @returns takes a message, and fields for its line */
export function createWarnOnce(log: Pick<Logger, 'warn'>): (message: string, fields?: object) => void {
  return seldom((message, repeats, fields: object = {}) => {
    log.warn({ ...(repeats > 0 && { repeats }), ...fields }, message)
  })
}
