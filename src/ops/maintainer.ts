import { setTimeout as sleep } from 'node:timers/promises'
import { Queue, Worker } from 'bullmq'
import { TransientError } from '../errors.js'
import { type RedisClient, redisError } from '../stream/redis.js'

const QUEUE = 'maintenance'
/** How often the schedule is written again, in ms: a Redis that has lost its data has lost that, too. */
const RESCHEDULE_MS = 10_000
/** How soon after a failure, in ms. */
const RETRY_MS = 1_000
/** A job whose replica has died is another's after this time, in ms. */
const LOCK_MS = 10_000

/** Work that is done again and again, by one replica at a time. A second one that does it too must do no harm. */
export interface Chore {
  readonly name: string
  /** From one begin to the next, in ms. */
  readonly everyMs: number
  /** @throws what Redis or the connection answers: it is tried at the next turn */
  run(stopping: AbortSignal): Promise<void>
}

/** What a maintainer is made of. */
export interface MaintainerOptions {
  /** Patient: see `openClient`. Its reads that block have a copy of it to themselves. */
  readonly redis: RedisClient
  /** First part of the keys of its jobs, with a hash tag: they must be on one node of a Cluster. */
  readonly prefix: string
  readonly chores: readonly Chore[]
  /** Is told of what passes by itself. */
  readonly warn: (message: string) => void
  /** Is told of a bug. */
  readonly onCrash: (error: unknown) => void
}

/** One of any number of replicas that share the chores. */
export interface Maintainer {
  /** Lets a chore that is running end at its next step. */
  close(): Promise<void>
}

/**
 * Starts to take part in the chores. BullMQ keeps the schedule in Redis and gives each turn to one replica; what
 * it keeps of turns that are over is bounded.
 */
export function startMaintainer(options: MaintainerOptions, stopping: AbortSignal): Maintainer {
  const { redis, prefix, warn } = options
  const shared = { connection: redis, prefix }
  const queue = new Queue(QUEUE, { ...shared, streams: { events: { maxLen: 100 } } })
  queue.on('error', (error) => warn(`The schedule of maintenance: ${error.message}`))
  const scheduling = keepSchedule(queue, options, stopping)
  const work = ({ name }: { readonly name: string }) => doChore(name, options, stopping)
  const worker = new Worker(QUEUE, work, { ...shared, lockDuration: LOCK_MS, stalledInterval: LOCK_MS })
  worker.on('error', (error) => warn(`The jobs of maintenance: ${error.message}`))
  return {
    close: async () => {
      // While Redis is away no answer comes; the lock of an unfinished job runs out by itself.
      const hopeless = redis.status !== 'ready'
      if (hopeless) redis.disconnect()
      await worker.close(hopeless)
      await scheduling
      await queue.close()
    },
  }
}

/** Writes the schedule again and again; what Redis has of it already stays as it is. */
async function keepSchedule(
  queue: Queue,
  { chores, warn, onCrash }: MaintainerOptions,
  stopping: AbortSignal,
): Promise<void> {
  const opts = { removeOnComplete: { count: 1 }, removeOnFail: { count: 10 } }
  while (!stopping.aborted) {
    let pauseMs = RESCHEDULE_MS
    try {
      for (const { name, everyMs } of chores) {
        await forgetStray(queue, name, everyMs)
        await queue.upsertJobScheduler(name, { every: everyMs }, { name, opts })
      }
    } catch (thrown) {
      if (stopping.aborted) return
      const error = redisError(thrown, 'keep the schedule of maintenance')
      if (!(error instanceof TransientError)) return onCrash(error)
      warn(error.message)
      pauseMs = RETRY_MS
    }
    await sleep(pauseMs, undefined, { signal: stopping }).catch(() => undefined)
  }
}

/**
 * Removes a turn that lies too far ahead: BullMQ reckons with the clock of the replica that had the last one, and an
 * hour that it was fast would be an hour without maintenance.
 */
async function forgetStray(queue: Queue, name: string, everyMs: number): Promise<void> {
  const next = (await queue.getJobScheduler(name))?.next
  if (next !== undefined && next > Date.now() + everyMs + RESCHEDULE_MS) await queue.removeJobScheduler(name)
}

async function doChore(
  name: string,
  { chores, warn, onCrash }: MaintainerOptions,
  stopping: AbortSignal,
): Promise<void> {
  // Another version, that shares the schedule, may have chores that this one does not know.
  const chore = chores.find((one) => one.name === name)
  if (!chore || stopping.aborted) return
  try {
    await chore.run(stopping)
  } catch (thrown) {
    if (stopping.aborted) return
    const error = redisError(thrown, `do the maintenance "${name}"`)
    if (error instanceof TransientError) warn(error.message)
    else onCrash(error)
  }
}
