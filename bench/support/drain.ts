import { setTimeout as sleep } from 'node:timers/promises'
import { readGroups } from '../../src/stream/groups.js'
import type { RedisClient } from '../../src/stream/redis.js'
import type { Figures } from './figures.js'
import { cpuSeconds, residentMb } from './usage.js'

/** How a backlog was worked off. */
export interface Drain {
  /** Of the part that was timed. */
  readonly perSecond: number
  /** Time on a processor for each event, in us, of the workers and of the store. */
  readonly workerMicros: number
  readonly storeMicros: number
  /** The most that was seen of the workers' resident memory together, in MB. */
  readonly residentMb: number
  /** The same when a quarter, a half, three quarters and all of it were acknowledged. */
  readonly residentAtMb: readonly number[]
  /** From the first look to the last, in s. */
  readonly seconds: number
}

/** As a table has it. */
export function drainFigures({ perSecond, workerMicros, storeMicros, residentMb }: Drain): Figures {
  return {
    'events/s': perSecond,
    'worker CPU us/event': workerMicros,
    'store CPU us/event': storeMicros,
    'worker RSS MB': residentMb,
  }
}

/** What is watched. */
export interface Watched {
  readonly client: RedisClient
  readonly streams: readonly string[]
  readonly group: string
  readonly count: number
  readonly workers: readonly number[]
  readonly store: number
  /** Share of the events that is not timed; default: {@link WARM_UP}. */
  readonly warmUp?: number
}

/** Share of the events that is not timed by default: a worker starts, connects and warms up in it. */
const WARM_UP = 0.1
const LOOK_MS = 10
const PATIENCE_MS = 900_000

/**
 * Watches a group from outside until it has acknowledged everything.
 * @throws Error where it does not come to an end
 */
export async function watchDrain(watched: Watched): Promise<Drain> {
  const { count, workers, store, warmUp = WARM_UP } = watched
  const usage = () => ({
    worker: workers.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    store: cpuSeconds(store),
  })
  const begun = performance.now()
  let warm: { at: number; acknowledged: number; used: ReturnType<typeof usage> } | undefined
  const residentNow = () => workers.reduce((sum, pid) => sum + residentMb(pid), 0)
  let most = 0
  const quarters: number[] = []
  for (let look = 0; performance.now() - begun < PATIENCE_MS; look++) {
    const acknowledged = await settledOf(watched)
    const at = performance.now()
    if (!warm && acknowledged >= count * warmUp) warm = { at, acknowledged, used: usage() }
    if (look % 10 === 0) most = Math.max(most, residentNow())
    while (acknowledged >= (count / 4) * (quarters.length + 1) && quarters.length < 4)
      quarters.push(residentNow())
    if (warm && acknowledged >= count) {
      const used = usage()
      const timed = acknowledged - warm.acknowledged
      return {
        perSecond: timed / ((at - warm.at) / 1_000),
        workerMicros: ((used.worker - warm.used.worker) / timed) * 1e6,
        storeMicros: ((used.store - warm.used.store) / timed) * 1e6,
        residentMb: Math.max(most, ...quarters),
        residentAtMb: quarters,
        seconds: (at - begun) / 1_000,
      }
    }
    await sleep(LOOK_MS)
  }
  throw new Error(
    `${watched.group} has acknowledged ${await settledOf(watched)} of ${count} entries within ${PATIENCE_MS} ms`,
  )
}

/** What has been read and is not pending. */
async function settledOf({ client, streams, group }: Watched): Promise<number> {
  const parts = await Promise.all(
    streams.map(async (stream) => {
      const found = (await readGroups(client, stream)).get(group)
      return found ? Number(found['entries-read'] ?? 0) - Number(found.pending) : 0
    }),
  )
  return parts.reduce((sum, part) => sum + part, 0)
}
