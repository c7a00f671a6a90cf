import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Config } from '../../config.js'
import { startMongo } from './mongo.js'
import { startPostgres } from './postgres.js'
import { startRedis } from './redis.js'
import type { Service } from './service.js'

/** The servers of a development run. */
export interface Services {
  readonly redis: Service
  readonly postgres: Service
  /** `undefined` where none could be started; the report says why. */
  readonly mongo: Service | undefined
  readonly all: readonly Service[]
}

/**
 * Starts the servers for which the configuration has no URL, and checks the others.
 * @param home absolute path of the folder for data and downloads
 * @throws Error where a server cannot be found, installed or started, except that there may be no MongoDB; the servers
 * that were started are stopped
 */
export async function startServices(
  config: Config,
  home: string,
  report: (line: string) => void,
  signal: AbortSignal,
): Promise<Services> {
  await mkdir(resolve(home), { recursive: true })
  const common = { home, report, signal }
  const started = await Promise.allSettled([
    startRedis({ ...common, url: config.REDIS_URL, choice: config.EMBEDDED_REDIS }),
    startPostgres({ ...common, url: config.POSTGRES_URL, choice: config.EMBEDDED_POSTGRES }),
    startMongo({ ...common, url: config.MONGODB_URL, choice: config.EMBEDDED_MONGODB }),
  ])
  const [redis, postgres, mongo] = started
  const all = started.flatMap((start) => (start.status === 'fulfilled' && start.value ? [start.value] : []))
  if (redis.status === 'fulfilled' && postgres.status === 'fulfilled' && mongo.status === 'fulfilled') {
    return { redis: redis.value, postgres: postgres.value, mongo: mongo.value, all }
  }
  await Promise.all(all.map((service) => service.stop()))
  throw started.find((start) => start.status === 'rejected')?.reason
}
