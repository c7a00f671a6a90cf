import { resolve } from 'node:path'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { secretsVariable } from '../../src/config.js'
import { type RoleProcess, startRole } from '../../src/dev/roles.js'
import { dataFolder, type Service } from '../../src/dev/services/service.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { openClient } from '../../src/stream/client.js'
import { partitionKeys } from '../../src/stream/keys.js'
import type { RedisClient } from '../../src/stream/redis.js'
import { ownServers } from '../../test/support/own.js'
import { SECRET } from '../load/bodies.js'

/** The package's folder: this file is compiled to `dist/bench/support`. */
const ROOT = resolve(import.meta.dirname, '../../..')
export const DATABASES = { state: 'cxone', events: 'cxone_events' }
/** The most partitions that a bench uses. */
export const KEYS = partitionKeys('cxone', 16)

/** Real servers of a bench's own, empty at first. */
export interface Fixture {
  readonly redis: Service
  readonly postgres: Service
  readonly mongo: Service
  /** For looks and seeds, not for what is measured. */
  readonly client: RedisClient
  /** Of the servers as they run now. */
  readonly pids: { readonly redis: number; readonly postgres: number; readonly mongo: number }
  /**
   * Starts a role as a container would, and resolves when it works.
   * @param checkout folder of another built checkout, which the role is taken from
   */
  start(role: string, env?: Readonly<Record<string, string>>, checkout?: string): Promise<RoleProcess>
  /** Ends a role as an orchestrator does. */
  stop(role: RoleProcess): Promise<void>
  /** Empties Redis. */
  flush(): Promise<void>
  end(): Promise<void>
}

/** Starts the servers and migrates. @param say called with a line before each slow step */
export async function openFixture(say: (line: string) => void): Promise<Fixture> {
  const own = ownServers(say)
  const home = { home: resolve(ROOT, '.tributary') }
  try {
    const [redis, postgres, mongo] = await Promise.all([own.redis(home), own.postgres(home), own.mongo(home)])
    for (const { chose } of [redis, postgres, mongo]) say(`  ${chose}`)
    const to = { entities: ENTITIES, report: () => undefined, signal: new AbortController().signal }
    await migratePostgres({ url: postgres.url, ...to })
    await migrateMongo({ url: mongo.url, databases: DATABASES, ...to })
    const client = await openClient(redis.url, 'patient', () => undefined)
    const env = {
      ...process.env,
      ...Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), SECRET])),
      HOST: '127.0.0.1',
      REDIS_URL: redis.url,
      POSTGRES_URL: postgres.url,
      MONGODB_URL: mongo.url,
      STREAM_PREFIX: 'cxone',
      MONGODB_STATE_DATABASE: DATABASES.state,
      MONGODB_EVENTS_DATABASE: DATABASES.events,
      SINKS_NOT_RUN: 'interactions,feed',
      LOG_LEVEL: 'warn',
    }
    let started = 0
    const running = new Set<RoleProcess>()
    return {
      ...{ redis, postgres, mongo, client },
      get pids() {
        return { redis: redis.pid ?? 0, postgres: postgres.pid ?? 0, mongo: mongo.pid ?? 0 }
      },
      start: async (role, more = {}, checkout = ROOT) => {
        const one = await startRole(
          {
            main: resolve(checkout, 'dist/src/cli/main.js'),
            role,
            env: { ...env, ...more },
            logFile: resolve(dataFolder(own.options), `${role}-${started++}.log`),
            onWarning: (message) => say(`  warning of ${message}`),
          },
          to.signal,
        )
        running.add(one)
        void one.exited.then(() => running.delete(one))
        return one
      },
      stop: async (role) => {
        role.kill('SIGTERM')
        await role.exited
      },
      flush: async () => void (await client.call('FLUSHALL')),
      end: async () => {
        // A suite that has failed leaves its roles running.
        for (const role of running) role.kill('SIGKILL')
        client.disconnect()
        await own.end()
      },
    }
  } catch (error) {
    await own.end()
    throw error
  }
}
