import { setTimeout as sleep } from 'node:timers/promises'
import type { WorkerFigures } from '../health/stats.js'
import { groupFigures } from '../stream/groups.js'
import type { PartitionKeys } from '../stream/keys.js'
import type { RedisClient } from '../stream/redis.js'
import { liveTable } from './live-table.js'
import { isSinkRole, readStats } from './roles.js'
import type { DevRun } from './run.js'

/** The live table of a run. */
export interface Monitor {
  /** Call for each accepted request. */
  accepted(): void
  /** Shows the figures one last time and stops. */
  end(): Promise<void>
}

/** Shows the live table once a second. */
export function startMonitor(
  { roles, services, say }: DevRun,
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
): Monitor {
  const workers = roles.filter(isSinkRole)
  const draw = liveTable((text) => process.stdout.write(text))
  const seen = new Set<string>()
  const ended = new AbortController()
  let accepted = 0
  const show = async () => {
    const rows = await Promise.all(
      workers.map(async (worker) => {
        const { undelivered, pending } = await groupFigures(redis, partitions, worker.role, 60_000)
        const figures = await readStats<WorkerFigures>(worker)
        return { sink: worker.role, figures, pending: undelivered + pending }
      }),
    )
    for (const { sink, figures } of rows) {
      if (seen.has(sink) || !figures?.acknowledged) continue
      seen.add(sink)
      // Counted from the start of the command, so that it includes what a first run installs and starts.
      say(`First event in ${sink} after ${(performance.now() / 1_000).toFixed(1)} s`)
    }
    draw(accepted, rows)
  }
  const loop = (async () => {
    while (!ended.signal.aborted) {
      await show()
      await sleep(1_000, undefined, { signal: ended.signal }).catch(() => undefined)
    }
  })()
  if (!services.mongo) say('There is no MongoDB: its events stay in the stream until a worker for it runs')
  return {
    accepted: () => {
      accepted++
    },
    end: async () => {
      ended.abort()
      await loop
    },
  }
}
