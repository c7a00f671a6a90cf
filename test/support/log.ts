import { type Logger, pino } from 'pino'

/** A log that is kept for the test to look at. */
export interface RecordedLog {
  readonly log: Logger
  /** `<level> <message>` of each line. */
  readonly lines: string[]
}

/** A real logger that writes to memory. */
export function recordedLog(): RecordedLog {
  const lines: string[] = []
  const write = (line: string) => {
    const { level, msg } = JSON.parse(line) as { level: number; msg: string }
    lines.push(`${pino.levels.labels[level]} ${msg}`)
  }
  return { log: pino({ level: 'trace' }, { write }), lines }
}
