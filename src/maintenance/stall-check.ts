import type { StallWatch } from '../stream/stalled.js'
import type { Need } from '../stream/trim.js'
import type { Task } from './task.js'

/** The result of a check expires after this many turns. */
const TURNS = 3

/** Finds the stalled groups after each trim, which has read what each group needs from Redis. */
export class StallCheck implements Task {
  readonly name = 'stalled'
  readonly makesRoom = false
  #groups: readonly string[] = []
  #at = Number.NEGATIVE_INFINITY

  /**
   * @param takeNeeds what the last trim found; `undefined` where there was no trim since the last check
   * @param everyMs from one check to the next, in ms
   */
  constructor(
    private readonly watch: StallWatch,
    private readonly takeNeeds: () => readonly Need[] | undefined,
    readonly everyMs: number,
  ) {}

  /** The stalled groups, as far as this replica knows. */
  get groups(): readonly string[] {
    return this.#groups
  }

  /** Number of stalled groups; `undefined` when this replica has not checked lately. */
  count(): number | undefined {
    return performance.now() - this.#at < TURNS * this.everyMs ? this.#groups.length : undefined
  }

  async run(): Promise<void> {
    const needs = this.takeNeeds()
    if (!needs) return
    this.#groups = await this.watch.look(needs)
    this.#at = performance.now()
  }
}
