import { randomUUID } from 'node:crypto'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const lead = loadScript('lead')

/**
 * One of several replicas leads, and stays the leader until it stops or dies: what only one must do *and show* needs
 * somebody who does not change with every turn. At no moment do two believe that they lead, whatever is slow or frozen.
 */
export class Leadership {
  readonly #id = randomUUID()
  /** On this process's own clock, in ms of `performance.now()`. */
  #until = 0

  /**
   * @param key of who leads
   * @param leaseMs after this time without {@link seek} another may lead, in ms
   */
  constructor(
    private readonly redis: RedisClient,
    private readonly key: string,
    private readonly leaseMs: number,
  ) {}

  /** Whether this replica leads now. Costs nothing. */
  get held(): boolean {
    return performance.now() < this.#until
  }

  /**
   * Takes the lead where nobody has it, or keeps it: once a turn.
   * @returns whether it leads now
   * @throws what Redis or the connection answers
   */
  async seek(): Promise<boolean> {
    // Before it asks: then its own lease is over before that in Redis is.
    const until = performance.now() + this.leaseMs
    const leads = (await lead(this.redis, [this.key], [this.#id, this.leaseMs])) === 1
    this.#until = leads ? until : 0
    return leads
  }

  /** Lets another lead at once. */
  async resign(): Promise<void> {
    this.#until = 0
    await lead(this.redis, [this.key], [this.#id, 0])
  }
}
