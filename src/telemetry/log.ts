import { type Logger, pino } from 'pino'

/** Structured log, a JSON object a line, on standard output. Bodies and secrets are never passed to it. */
export function createLog(level: string, role: string): Logger {
  return pino({ level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime })
}
