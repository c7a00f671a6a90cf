import type { EventEmitter } from 'node:events'
import type { Logger } from 'pino'

/** Exit code of a process that could not close in time, or crashed. */
const FAILED = 1

/** The shutdown of a process, as shared by all its parts. */
export interface Lifecycle {
  /** Aborted by the first SIGTERM or SIGINT: accept no new work, finish what is in flight. */
  readonly stopping: AbortSignal
  /** Aborted when the time for that is over: stop waiting. */
  readonly giveUp: AbortSignal
  /** Registers something to close; the last registered is closed first. */
  onClose(name: string, close: () => Promise<void>): void
  /** Starts the shutdown. @param error of a crash; the process then exits with 1 */
  stop(why: string, error?: unknown): void
  /** Resolves to the exit code once everything is closed. */
  readonly closed: Promise<number>
}

/**
 * Turns signals into an orderly shutdown: the first signal starts it, the second exits at once. Work that is neither
 * acknowledged nor answered by then is delivered again, by CXone or by another worker.
 * @param timeoutMs time to close, in milliseconds
 */
export function createLifecycle(timeoutMs: number, log: Logger, signals: EventEmitter = process): Lifecycle {
  const stopping = new AbortController()
  const giveUp = new AbortController()
  const closers: { name: string; close: () => Promise<void> }[] = []
  let exitCode = 0
  let finish: (code: number) => void = () => undefined
  const closed = new Promise<number>((resolve) => {
    finish = resolve
  })

  const closeAll = async () => {
    const timer = setTimeout(() => {
      exitCode = FAILED
      log.error(
        `Not closed within ${timeoutMs} ms: the process exits. Pending entries will be delivered again`,
      )
      giveUp.abort(new Error('the time to shut down is over'))
      // Closers had time to react; a closer that hangs does not keep the process alive.
      setTimeout(() => finish(exitCode), 1_000)
    }, timeoutMs)
    // Also closes what a role registers during the shutdown.
    for (let last = closers.pop(); last; last = closers.pop()) {
      try {
        await last.close()
      } catch (error) {
        exitCode = FAILED
        if (!giveUp.signal.aborted) log.error({ err: error }, `Closing ${last.name} failed`)
      }
    }
    clearTimeout(timer)
    signals.off('SIGTERM', onSignal).off('SIGINT', onSignal)
    finish(exitCode)
  }

  const stop = (why: string, error?: unknown) => {
    if (error !== undefined) {
      exitCode = FAILED
      log.fatal({ err: error }, why)
    }
    if (stopping.signal.aborted) return
    log.info(`Stopping: ${why}`)
    stopping.abort(new Error(why))
    void closeAll()
  }

  const onSignal = (signal: string) => {
    if (stopping.signal.aborted) {
      log.warn(`${signal} again: exiting at once`)
      process.exit(FAILED)
    }
    stop(signal)
  }
  signals.on('SIGTERM', onSignal).on('SIGINT', onSignal)

  return {
    stopping: stopping.signal,
    giveUp: giveUp.signal,
    closed,
    stop,
    onClose: (name, close) => closers.push({ name, close }),
  }
}
