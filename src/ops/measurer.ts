import { setTimeout as sleep } from 'node:timers/promises'
import { TransientError } from '../errors.js'
import { DeadLetterCounter } from '../stream/dead-letters/counter.js'
import type { PartitionKeys } from '../stream/keys.js'
import { addUp, readLag } from '../stream/lag.js'
import { Leadership } from '../stream/leadership.js'
import { fullest, readMemory } from '../stream/memory.js'
import { type RedisClient, redisError } from '../stream/redis.js'
import type { LogFigures } from '../telemetry/log-metrics.js'

/** After so many turns without a reading it counts no more, and another replica takes over. */
const TURNS = 3

/** What a measurer is made of. */
export interface MeasurerOptions {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  /** First part of the keys that the replicas share, with a hash tag. */
  readonly prefix: string
  /** Sinks that are run: where one has no group yet, everything is undelivered for it. */
  readonly sinks: readonly string[]
  /** From one reading to the next, in ms. */
  readonly everyMs: number
  /** Is told of what passes by itself. */
  readonly warn: (message: string) => void
}

/**
 * Reads the figures of the log, in one of the replicas. The turns of BullMQ are no use for that: each may go to another
 * replica, and for a while two would show what Prometheus adds up.
 */
export class Measurer {
  readonly #options: MeasurerOptions
  readonly #leadership: Leadership
  readonly #census: DeadLetterCounter
  #last: { readonly figures: LogFigures; readonly at: number } | undefined

  constructor(options: MeasurerOptions) {
    const { redis, partitions, prefix, everyMs } = options
    this.#options = options
    this.#leadership = new Leadership(redis, `${prefix}:measurer`, TURNS * everyMs)
    this.#census = new DeadLetterCounter(redis, partitions)
  }

  /** The newest figures; `undefined` in a replica that does not lead, and while Redis does not answer. */
  figures(): LogFigures | undefined {
    if (!this.#leadership.held || !this.#last) return undefined
    return performance.now() - this.#last.at < TURNS * this.#options.everyMs ? this.#last.figures : undefined
  }

  /** Tells the others what a trim has found. @param groups that nobody reads @param forMs how long that counts */
  async tellStalled(groups: number, forMs: number): Promise<void> {
    await this.#options.redis.set(this.#stalledKey, groups, 'PX', forMs)
  }

  /**
   * Measures again and again until `stopping` is aborted; then another replica may at once.
   * @throws what is a bug; what Redis cannot do now is tried at the next turn
   */
  async run(stopping: AbortSignal): Promise<void> {
    const { everyMs, warn, redis } = this.#options
    while (!stopping.aborted) {
      try {
        if (await this.#leadership.seek()) await this.#measure()
      } catch (thrown) {
        const error = redisError(thrown, 'measure the log')
        if (!(error instanceof TransientError)) throw error
        if (!stopping.aborted) warn(error.message)
      }
      await sleep(everyMs, undefined, { signal: stopping }).catch(() => undefined)
    }
    // While Redis is away no answer comes, and the lead runs out by itself.
    if (this.#leadership.held && redis.status === 'ready')
      await this.#leadership.resign().catch(() => undefined)
  }

  async #measure(): Promise<void> {
    const { redis, partitions, sinks } = this.#options
    const at = performance.now()
    const streams = await readLag(redis, partitions, 'page')
    const deadLetters = await this.#census.count()
    const memory = fullest(await readMemory(redis))
    const stalled = await redis.get(this.#stalledKey)
    const figures = {
      lengths: new Map(streams.map(({ stream, length }) => [stream, length])),
      bytes: streams.reduce((sum, { bytes }) => sum + bytes, 0),
      groups: addUp(streams, sinks),
      deadLetters,
      memory,
      stalled: stalled === null ? undefined : Number(stalled),
    }
    this.#last = { figures, at }
  }

  get #stalledKey(): string {
    return `${this.#options.prefix}:stalled`
  }
}
