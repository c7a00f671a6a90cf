import { type Logger, pino } from 'pino'

/** Structured log, a JSON object a line, on standard output. Bodies and secrets are never passed to it. */
export function createLog(level: string, role: string): Logger {
  return pino({ level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime })
}

/** A message of the same cause is written no more often than this, in ms. */
const SELDOM_MS = 5_000

/**
 * For what may happen thousands of times a second while something is down.
 * @param write gets a message and how many were left out before it
 */
export function seldom(write: (message: string, repeats: number) => void): (message: string) => void {
  let nextAt = 0
  let repeats = 0
  return (message) => {
    if (Date.now() < nextAt) {
      repeats++
      return
    }
    write(message, repeats)
    repeats = 0
    nextAt = Date.now() + SELDOM_MS
  }
}
