/** A step hangs after this time without a heartbeat, in ms: the slowest command to a store may take half as long. */
export const STUCK_MS = 120_000

/** The step of a worker that other code sends heartbeats for. */
export const READ = 'read entries'

interface Step {
  readonly name: string
  /** In ms of `performance.now()`. */
  lastSign: number
}

/**
 * Distinguishes a loop that waits and retries from one that hangs. A loop is not at fault for what it waits for: a
 * failed attempt also counts as a heartbeat.
 */
export class Progress {
  readonly #steps = new Set<Step>()

  /** Runs one step of the loop; steps may overlap. @param work may call `heartbeat`, which costs 0.1 us */
  async during<T>(name: string, work: (heartbeat: () => void) => Promise<T>): Promise<T> {
    const step = { name, lastSign: performance.now() }
    this.#steps.add(step)
    try {
      return await work(() => {
        step.lastSign = performance.now()
      })
    } finally {
      this.#steps.delete(step)
    }
  }

  /** A heartbeat of the steps with this name, or of all steps that run. Costs less than a microsecond. */
  heartbeat(name?: string): void {
    for (const step of this.#steps) {
      if (name === undefined || step.name === name) step.lastSign = performance.now()
    }
  }

  /** @returns which step hangs, and for how long; `undefined` where none does */
  stuck(now = performance.now()): string | undefined {
    for (const { name, lastSign } of this.#steps) {
      if (now - lastSign > STUCK_MS) {
        return `its step "${name}" has sent no heartbeat for ${Math.round((now - lastSign) / 1_000)} s`
      }
    }
    return undefined
  }
}
