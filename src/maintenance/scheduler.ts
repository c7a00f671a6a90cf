import { setTimeout as sleep } from 'node:timers/promises'
import { TransientError } from '../errors.js'
import { type RedisClient, redisError } from '../stream/redis.js'
import { Election } from './election.js'
import { Jobs } from './jobs.js'
import type { Task } from './task.js'

/** How often the elected replica writes the schedule again, in ms: a Redis that has lost its data has lost it, too. */
const RESCHEDULE_MS = 10_000
/** From one look at the election to the next, at most, in ms. */
const LOOK_MS = 1_000
/** Looks a lease, so that one that is late does not lose the election. */
const LOOKS = 5

/** Options of a {@link Scheduler}. */
export interface SchedulerOptions {
  /** Patient: see `openClient`. */
  readonly redis: RedisClient
  /** First part of the keys that the replicas share, with a hash tag: they must be on one node of a Cluster. */
  readonly prefix: string
  readonly tasks: readonly Task[]
  /** After this time without a sign of life of the elected replica another one is elected, in ms. */
  readonly leaseMs: number
  /** Logs a transient error. */
  readonly warn: (message: string) => void
  /** Called with a bug. */
  readonly onCrash: (error: unknown) => void
}

/**
 * One of any number of replicas that share the tasks. The elected replica runs them, as BullMQ's job schedulers say.
 * A full Redis refuses BullMQ's writes: then the elected replica runs all tasks on its own timer, and where no replica
 * is elected and none can be, each one runs those that make room.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #election: Election
  readonly #jobs: Jobs
  readonly #running = new Map<string, Promise<void>>()
  readonly #startedAt = new Map<string, number>()
  readonly #lookMs: number
  #scheduledAt = Number.NEGATIVE_INFINITY
  #isFull = false

  constructor(options: SchedulerOptions) {
    const { redis, prefix, leaseMs } = options
    this.#options = options
    this.#election = new Election(redis, `${prefix}:elected`, leaseMs)
    this.#jobs = new Jobs(redis, prefix, (error) => this.#failed(error))
    this.#lookMs = Math.min(LOOK_MS, leaseMs / LOOKS)
  }

  /** Whether this replica is elected now: only one is at any moment. Costs nothing. */
  get elected(): boolean {
    return this.#election.elected
  }

  /**
   * Takes part in the election, and runs the tasks while elected, until `stopping` is aborted. Then a task that runs
   * ends at its next step, and another replica can be elected at once.
   * @throws any error that is a bug; transient errors of Redis are retried
   */
  async run(stopping: AbortSignal): Promise<void> {
    const { redis } = this.#options
    // A patient connection keeps a command until Redis is back: a stop does not wait for that.
    const stoppedWithoutRedis = new Promise<void>((resolve) => {
      stopping.addEventListener('abort', () => redis.status !== 'ready' && resolve(), { once: true })
    })
    try {
      while (!stopping.aborted) {
        await Promise.race([this.#look(stopping), stoppedWithoutRedis])
        if (this.#isFull) this.#runOverdue(stopping)
        await sleep(this.#lookMs, undefined, { signal: stopping }).catch(() => undefined)
      }
    } finally {
      await this.#jobs.close()
      await Promise.race([Promise.all(this.#running.values()), stoppedWithoutRedis])
      if (this.elected && redis.status === 'ready') await this.#election.resign().catch(() => undefined)
    }
  }

  async #look(stopping: AbortSignal): Promise<void> {
    try {
      await this.#takePart(stopping)
    } catch (thrown) {
      const error = redisError(thrown, 'schedule the maintenance')
      if (!(error instanceof TransientError)) throw error
      if (!stopping.aborted) this.#failed(error)
    }
  }

  async #takePart(stopping: AbortSignal): Promise<void> {
    const { redis, prefix, tasks } = this.#options
    const elected = await this.#election.seek()
    if (!elected) {
      // Another replica is elected, and runs the tasks.
      this.#isFull = false
      await this.#jobs.leave()
      return
    }
    // A schedule that stands can be written again without any room.
    if (this.#isFull) await redis.set(`${prefix}:room`, '', 'PX', 1)
    if (this.#jobs.taken && performance.now() - this.#scheduledAt < RESCHEDULE_MS) return
    await this.#jobs.schedule(tasks)
    this.#isFull = false
    this.#scheduledAt = performance.now()
    if (!this.#jobs.taken) this.#jobs.take((name) => this.#runNamed(name, stopping), tasks.length)
  }

  /** Logs a transient error, and remembers if Redis is full. */
  #failed(error: Error): void {
    this.#options.warn(error.message)
    if (!/\bOOM\b/.test(error.message)) return
    this.#isFull = true
    // BullMQ would try again without a pause.
    this.#jobs.leave().catch(this.#options.onCrash)
  }

  /** Runs what the schedule should have run, while Redis refuses the schedule. */
  #runOverdue(stopping: AbortSignal): void {
    const now = performance.now()
    for (const task of this.#options.tasks) {
      const startedAt = this.#startedAt.get(task.name) ?? Number.NEGATIVE_INFINITY
      if ((task.makesRoom || this.elected) && now - startedAt >= task.everyMs) void this.#run(task, stopping)
    }
  }

  async #runNamed(name: string, stopping: AbortSignal): Promise<void> {
    // Another version, that shares the schedule, may have tasks that this one does not know.
    const task = this.#options.tasks.find((candidate) => candidate.name === name)
    if (task && !stopping.aborted) await this.#run(task, stopping)
  }

  /** Runs a task, unless it is running. */
  #run(task: Task, stopping: AbortSignal): Promise<void> {
    const running = this.#running.get(task.name) ?? this.#perform(task, stopping)
    this.#running.set(task.name, running)
    return running
  }

  async #perform(task: Task, stopping: AbortSignal): Promise<void> {
    const { warn, onCrash } = this.#options
    this.#startedAt.set(task.name, performance.now())
    try {
      await task.run(stopping)
    } catch (thrown) {
      if (stopping.aborted) return
      const error = redisError(thrown, `run the maintenance task "${task.name}"`)
      if (error instanceof TransientError) warn(error.message)
      else onCrash(error)
    } finally {
      this.#running.delete(task.name)
    }
  }
}
