import { type Logger, pino } from 'pino'
import { parseTraceparent } from './tracing.js'

/** Creates the structured log: one JSON object a line, on standard output. It never gets bodies or secrets. */
export function createLog(level: string, role: string): Logger {
  return pino({ level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime })
}

/** The trace fields of a log line about a request or batch, as in OpenTelemetry's JSON logs. */
export interface TraceIds {
  readonly trace_id?: string
  readonly span_id?: string
}

/** The trace fields of a log line; none where the request or batch is not traced. */
export function traceIds(traceparent: string): TraceIds {
  const context = parseTraceparent(traceparent)
  return context ? { trace_id: context.traceId, span_id: context.spanId } : {}
}

/** Minimum time between two lines with the same cause, in ms. */
const SELDOM_MS = 60_000
/** Maximum number of causes that are kept apart at a time; all others count as one. */
const MOST_CAUSES = 50

/**
 * Limits messages that may come thousands of times a second while something is down: writes the first message of each
 * cause, and then one a minute. Messages that differ only in numbers have the same cause. Costs about a microsecond.
 * @param write called with a message, the number of its cause's messages left out before it, and the other arguments
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

/** Warnings limited by {@link seldom}. @returns a function that takes a message, and fields for its line */
export function createWarnOnce(log: Pick<Logger, 'warn'>): (message: string, fields?: object) => void {
  return seldom((message, repeats, fields: object = {}) => {
    log.warn({ ...(repeats > 0 && { repeats }), ...fields }, message)
  })
}
