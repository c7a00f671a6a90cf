import { randomUUID } from 'node:crypto'
import type { RedisClient } from '../stream/redis.js'
import { loadScript } from '../stream/scripts.js'

const elect = loadScript('elect')

/**
 * Elects one of several replicas, which stays elected until it stops or dies. At no moment do two replicas believe that
 * they are elected, even when one is slow or frozen. The lock of a BullMQ job cannot do this: a full Redis refuses to
 * renew that lock.
 */
export class Election {
  readonly #id = randomUUID()
  /** On this process's own clock, in ms of `performance.now()`. */
  #until = 0

  /**
   * @param key holds the id of the elected replica
   * @param leaseMs after this time without {@link seek} another replica may be elected, in ms
   */
  constructor(
    private readonly redis: RedisClient,
    private readonly key: string,
    private readonly leaseMs: number,
  ) {}

  /** Whether this replica is elected now. Costs nothing. */
  get elected(): boolean {
    return performance.now() < this.#until
  }

  /**
   * Gets elected when no replica is, or stays elected. Call it several times per lease.
   * @returns whether this replica is elected now
   * @throws the error of Redis or the connection: while Redis is full it elects no new replica
   */
  async seek(): Promise<boolean> {
    // The time before the call: so this replica's own lease ends before the key in Redis expires.
    const until = performance.now() + this.leaseMs
    const elected = (await elect(this.redis, [this.key], [this.#id, this.leaseMs])) === 1
    this.#until = elected ? until : 0
    return elected
  }

  /** Lets another replica be elected at once. */
  async resign(): Promise<void> {
    this.#until = 0
    await elect(this.redis, [this.key], [this.#id, 0])
  }
}
