import { Queue, Worker } from 'bullmq'
import type { RedisClient } from '../stream/redis.js'
import type { Task } from './task.js'

const QUEUE = 'maintenance'
/** A turn may lie this much further ahead than the next one should, in ms. */
const STRAY_MS = 10_000
/** When a replica has died, another one runs its job again after this time, in ms. */
const LOCK_MS = 10_000

/** The schedule of the tasks, as BullMQ keeps it in Redis: it outlives every replica. */
export class Jobs {
  readonly #shared: { readonly connection: RedisClient; readonly prefix: string }
  readonly #queue: Queue
  #worker: Worker | undefined

  /**
   * @param redis patient: see `openClient`. The reads that block get a copy of it to themselves
   * @param prefix first part of the keys, with a hash tag: they must be on one node of a Cluster
   * @param onError called with what BullMQ cannot do now; it tries again by itself
   */
  constructor(
    private readonly redis: RedisClient,
    prefix: string,
    private readonly onError: (error: Error) => void,
  ) {
    this.#shared = { connection: redis, prefix }
    this.#queue = new Queue(QUEUE, { ...this.#shared, streams: { events: { maxLen: 100 } } })
    this.#queue.on('error', onError)
  }

  /**
   * Writes the schedule; what Redis has of it already stays as it is. What BullMQ keeps of turns that are over is
   * bounded.
   * @throws the error of Redis or the connection
   */
  async schedule(tasks: readonly Task[]): Promise<void> {
    const opts = { removeOnComplete: { count: 1 }, removeOnFail: { count: 10 } }
    for (const { name, everyMs } of tasks) {
      await this.#removeStray(name, everyMs)
      await this.#queue.upsertJobScheduler(name, { every: everyMs }, { name, opts })
    }
  }

  /** Whether this process takes jobs. */
  get taken(): boolean {
    return this.#worker !== undefined
  }

  /** Begins to take jobs. @param work runs the task of that name; must not reject @param most maximum jobs at a time */
  take(work: (name: string) => Promise<void>, most: number): void {
    const options = { lockDuration: LOCK_MS, stalledInterval: LOCK_MS, concurrency: most }
    this.#worker = new Worker(QUEUE, ({ name }) => work(name), { ...this.#shared, ...options })
    this.#worker.on('error', this.onError)
  }

  /**
   * Takes no more jobs, and does not wait for those that run: their end may be refused. The lock of such a job expires,
   * and it is done again.
   */
  async leave(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.close(true)
  }

  /**
   * Ends for good, after the jobs that run. While Redis is away it does not wait for them: the lock of an unfinished
   * job expires by itself.
   */
  async close(): Promise<void> {
    await this.#worker?.close(this.redis.status !== 'ready')
    await this.#queue.close()
  }

  /**
   * Removes a turn that lies too far ahead: BullMQ reckons with the clock of the replica that had the last one, and an
   * hour that it was fast would be an hour without maintenance.
   */
  async #removeStray(name: string, everyMs: number): Promise<void> {
    const next = (await this.#queue.getJobScheduler(name))?.next
    if (next !== undefined && next > Date.now() + everyMs + STRAY_MS)
      await this.#queue.removeJobScheduler(name)
  }
}
