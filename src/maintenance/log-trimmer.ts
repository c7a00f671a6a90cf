import { logBudget } from '../stream/log-budget.js'
import { readMemory } from '../stream/memory.js'
import type { RedisClient } from '../stream/redis.js'
import type { Need, Trimmer } from '../stream/trim.js'
import type { Task } from './task.js'

/** Options of a {@link LogTrimmer}. */
export interface LogTrimmerOptions {
  readonly redis: RedisClient
  readonly trimmer: Trimmer
  /** From one trim to the next, in ms. */
  readonly everyMs: number
  /** Memory that the log may take, while Redis has room. */
  readonly maxBytes: number
  /** Percent of `maxmemory` that requests may not fill. */
  readonly reservePercent: number
  /** Called after a trim that removed entries. */
  readonly onTrimmed: (figures: { readonly removed: number; readonly bytes: number }) => void
}

/** Trims the log to its budget. A full Redis allows it: XTRIM only removes. */
export class LogTrimmer implements Task {
  readonly name = 'trim'
  readonly makesRoom = true
  readonly everyMs: number
  /** Trims that this replica has made, entries that they removed, and memory of the log at the last one. */
  readonly figures = { turns: 0, trimmed: 0, logBytes: 0 }
  readonly #options: LogTrimmerOptions
  #needs: readonly Need[] | undefined

  constructor(options: LogTrimmerOptions) {
    this.#options = options
    this.everyMs = options.everyMs
  }

  /** The needs of the groups that the last trim found; `undefined` when they were taken before. */
  takeNeeds(): readonly Need[] | undefined {
    const needs = this.#needs
    this.#needs = undefined
    return needs
  }

  async run(stopping: AbortSignal): Promise<void> {
    const { redis, trimmer, maxBytes, reservePercent, onTrimmed } = this.#options
    const known = this.figures.turns > 0 ? this.figures.logBytes : undefined
    const budget = logBudget(await readMemory(redis), known, reservePercent, maxBytes)
    const { removed, bytes, needs } = await trimmer.run(budget, stopping)
    this.#needs = needs
    this.figures.turns++
    this.figures.trimmed += removed
    this.figures.logBytes = bytes
    if (removed > 0) onTrimmed({ removed, bytes })
  }
}
