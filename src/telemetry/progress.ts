/** A step without a sign of life for so long hangs, in ms: the slowest command to a store has half as long. */
export const STUCK_MS = 120_000

/** Steps of a worker that others give signs of life of. */
export const READ = 'read entries'
export const WRITE = 'write to the sink'

/**
 * Tells a loop that waits, and tries again, from one that hangs. What it waits for is not its fault: an attempt that
 * fails is a sign of life, too.
 */
export class Progress {
  /** When each step that is under way gave its last sign of life, in ms of `performance.now()`. */
  readonly #steps = new Map<string, number>()

  /** Does one step of the loop. Steps of different names may overlap. */
  async during<T>(step: string, work: () => Promise<T>): Promise<T> {
    this.#steps.set(step, performance.now())
    try {
      return await work()
    } finally {
      this.#steps.delete(step)
    }
  }

  /** A sign of life of a step, if it is under way, or of all that are. Costs less than a microsecond. */
  beat(step?: string): void {
    for (const name of step === undefined ? this.#steps.keys() : [step]) {
      if (this.#steps.has(name)) this.#steps.set(name, performance.now())
    }
  }

  /** @returns which step hangs, and for how long; `undefined` where none does */
  stuck(now = performance.now()): string | undefined {
    for (const [step, since] of this.#steps) {
      if (now - since > STUCK_MS) {
        return `its step "${step}" has given no sign of life for ${Math.round((now - since) / 1_000)} s`
      }
    }
    return undefined
  }
}
