import { DeadLetterCounter } from '../stream/dead-letters/counter.js'
import type { PartitionKeys } from '../stream/keys.js'
import { addUp, readLag } from '../stream/lag.js'
import { fullest, readMemory } from '../stream/memory.js'
import type { RedisClient } from '../stream/redis.js'
import type { LogFigures } from '../telemetry/log-metrics.js'
import type { Task } from './task.js'

/** Figures expire after this many turns without newer ones. */
const TURNS = 3

/** Options of a {@link LagCollector}. */
export interface LagCollectorOptions {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  /** Sinks that are run: where one has no group yet, everything is undelivered for it. */
  readonly sinks: readonly string[]
  /** From one collection to the next, in ms. */
  readonly everyMs: number
  /** Number of stalled groups that the stall check found; `undefined` before it has run. */
  readonly stalled: () => number | undefined
}

/** Collects the figures of the log for the metrics. */
export class LagCollector implements Task {
  readonly name = 'lag'
  readonly makesRoom = false
  readonly everyMs: number
  readonly #options: LagCollectorOptions
  readonly #deadLetters: DeadLetterCounter
  #last: { readonly figures: LogFigures; readonly at: number } | undefined

  constructor(options: LagCollectorOptions) {
    this.#options = options
    this.everyMs = options.everyMs
    this.#deadLetters = new DeadLetterCounter(options.redis, options.partitions)
  }

  /** The newest figures; `undefined` before the first, and while Redis does not answer. */
  figures(): LogFigures | undefined {
    if (!this.#last || performance.now() - this.#last.at >= TURNS * this.everyMs) return undefined
    return this.#last.figures
  }

  async run(): Promise<void> {
    const { redis, partitions, sinks, stalled } = this.#options
    const at = performance.now()
    const streams = await readLag(redis, partitions, 'page')
    const figures = {
      lengths: new Map(streams.map(({ stream, length }) => [stream, length])),
      bytes: streams.reduce((sum, { bytes }) => sum + bytes, 0),
      groups: addUp(streams, sinks),
      deadLetters: await this.#deadLetters.count(),
      memory: fullest(await readMemory(redis)),
      stalled: stalled(),
    }
    this.#last = { figures, at }
  }
}
