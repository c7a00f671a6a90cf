/** A step without a sign of life for so long hangs, in ms: the slowest command to a store has half as long. */
export const STUCK_MS = 120_000

/** Step of a worker that others give signs of life of. */
export const READ = 'read entries'

interface Step {
  readonly name: string
  /** In ms of `performance.now()`. */
  lastSign: number
}

/**
 * Tells a loop that waits, and tries again, from one that hangs. What it waits for is not its fault: an attempt that
 * fails is a sign of life, too.
 */
export class Progress {
  readonly #steps = new Set<Step>()

  /** Does one step of the loop; several may overlap. @param work may give signs of life by `heartbeat`: 0.1 us */
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

  /** A sign of life of the steps of a name, or of all that are under way. Costs less than a microsecond. */
  heartbeat(name?: string): void {
    for (const step of this.#steps) {
      if (name === undefined || step.name === name) step.lastSign = performance.now()
    }
  }

  /** @returns which step hangs, and for how long; `undefined` where none does */
  stuck(now = performance.now()): string | undefined {
    for (const { name, lastSign } of this.#steps) {
      if (now - lastSign > STUCK_MS) {
        return `its step "${name}" has given no sign of life for ${Math.round((now - lastSign) / 1_000)} s`
      }
    }
    return undefined
  }
}
