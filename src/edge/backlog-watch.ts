import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { TransientError } from '../errors.js'
import type { PartitionKeys } from '../stream/keys.js'
import { findWeaknesses, fullest, type Memory, readMemory } from '../stream/memory.js'
import { type RedisClient, redisError } from '../stream/redis.js'
import { createWarnOnce } from '../telemetry/log.js'
import type { Admission } from './admission.js'
import { type Backlog, readBacklog } from './backlog.js'
import { DrainRate } from './drain-rate.js'
import { type BacklogBudget, compare, explain, oldestAgeMs } from './reading.js'

/** Pause between readings, in ms, with jitter: about two readings a second. */
const PAUSE_MS = 500
/** A slow reading (many partitions, a slow Redis) makes the pause this many times as long as the reading... */
const PAUSE_FACTOR = 20
/** ... up to this maximum, in ms. */
const MAX_PAUSE_MS = 2_000
/** How long a reading is valid, in ms; after that the edge does not refuse requests on old data. */
const HOLD_MS = 5_000
/** The edge must admit all requests for this long, in ms, before the log says so. */
const CALM_MS = 10_000

/** The backlog and its effect, as plain JSON. */
export interface BacklogFigures {
  /** Bytes of entries that at least one group has not acknowledged; an estimate. */
  readonly bytes: number
  /** Age of the oldest of these entries, in ms. */
  readonly ageMs: number
  /** Used share of `maxmemory` on the fullest server; `undefined` where there is no `maxmemory`. */
  readonly memory: number | undefined
  /** Share of requests that are admitted: 1 all, 0 none. */
  readonly admitted: number
}

/** What a watch needs. */
export interface BacklogWatchOptions {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly budget: BacklogBudget
  /** Groups that are not meant to run: their backlog does not count. */
  readonly ignored: ReadonlySet<string>
  readonly admission: Admission
  readonly log: Pick<Logger, 'info' | 'warn'>
}

/** Updates the admission with the state of Redis; logs when the edge starts and stops to refuse requests. */
export class BacklogWatch {
  readonly #drainRate = new DrainRate()
  readonly #warnOnce: (message: string) => void
  #backlog: Backlog = { bytes: 0, groups: [] }
  #memories: readonly Memory[] = []
  #hold: NodeJS.Timeout | undefined
  /** What was logged last: the edge admits all, some or no requests. */
  #logged: 'all' | 'some' | 'none' = 'all'
  #calmSince: number | undefined

  constructor(private readonly options: BacklogWatchOptions) {
    this.#warnOnce = createWarnOnce(options.log)
  }

  /**
   * Logs once which Redis settings should change. Then reads about twice a second, with jitter, until `stopping` is
   * aborted. Costs Redis what {@link readBacklog} and {@link readMemory} cost: about 0.1 ms for each partition twice a
   * second, and never more than 5 % of its time.
   * @throws on a bug; where Redis does not answer, the last reading is valid for 5 s, then everything is admitted
   */
  async run(stopping: AbortSignal): Promise<void> {
    await this.#inspect().catch((thrown) => this.#failed(thrown, stopping))
    while (!stopping.aborted) {
      const begun = performance.now()
      await this.read().catch((thrown) => this.#failed(thrown, stopping))
      const tookMs = performance.now() - begun
      const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(PAUSE_MS, tookMs * PAUSE_FACTOR))
      await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, { signal: stopping }).catch(
        () => undefined,
      )
    }
  }

  /** Reads once. @throws the errors of Redis and of the connection */
  async read(): Promise<void> {
    const { redis, partitions, budget, ignored, admission } = this.options
    const { taken } = admission
    const at = performance.now()
    const [backlog, memories] = await Promise.all([
      readBacklog(redis, partitions, ignored),
      readMemory(redis),
    ])
    this.#drainRate.observe(backlog.groups, at)
    const reading = compare(backlog, memories, this.#drainRate, budget)
    admission.update(reading, taken)
    this.#backlog = backlog
    this.#memories = memories
    clearTimeout(this.#hold)
    this.#hold = setTimeout(() => admission.open(), HOLD_MS).unref()
    this.#logChange(admission.share, () => explain(reading, backlog))
  }

  figures(): BacklogFigures {
    return {
      bytes: Math.round(this.#backlog.bytes),
      ageMs: oldestAgeMs(this.#backlog),
      memory: fullest(this.#memories),
      admitted: this.options.admission.share,
    }
  }

  async #inspect(): Promise<void> {
    const { redis, budget, log } = this.options
    for (const weakness of await findWeaknesses(redis, budget.maxBytes > 0)) log.warn(weakness)
  }

  #failed(thrown: unknown, stopping: AbortSignal): void {
    const error = redisError(thrown, 'read the backlog')
    const isReply = error instanceof Error && error.name === 'ReplyError'
    if (!isReply && !(error instanceof TransientError)) throw error
    if (stopping.aborted) return
    this.#warnOnce(`${error.message}. After 5 s without an answer the edge refuses nothing for its backlog.`)
  }

  #logChange(share: number, why: () => string): void {
    const { log } = this.options
    const now = performance.now()
    if (share === 1) {
      this.#calmSince ??= now
      if (this.#logged === 'all' || now - this.#calmSince < CALM_MS) return
      this.#logged = 'all'
      log.info(this.figures(), 'The edge admits all requests again')
      return
    }
    this.#calmSince = undefined
    if (this.#logged === 'none' || (this.#logged === 'some' && share > 0)) return
    this.#logged = share > 0 ? 'some' : 'none'
    const what = share > 0 ? 'a part of the requests' : 'all requests'
    log.warn(this.figures(), `The edge refuses ${what} (503 backlogged): ${why()}`)
  }
}
