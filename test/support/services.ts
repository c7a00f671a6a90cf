import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import type { Service } from '../../src/dev/services/service.js'
import { type OwnServers, ownServers, sweep } from './own.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The servers of this run: `inject('services')`. Use fresh names in them, other tests use them too. */
    services: { readonly redisUrl: string; readonly postgresUrl: string; readonly mongoUrl: string }
  }
}

interface Running {
  readonly own: OwnServers
  readonly services: Promise<[redis: Service, postgres: Service, mongo: Service]>
  users: number
}

/** Vitest loads this file anew for each of its projects; what they share has to live outside the module. */
const shared = globalThis as { tributaryServices?: Running | undefined }

/** Starts real servers, once a run, and gives their URLs to the tests. REDIS_URL and its like are used as given. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.tributaryServices ??= begin()
  const running = shared.tributaryServices
  running.users++
  const [redis, postgres, mongo] = await running.services
  project.provide('services', { redisUrl: redis.url, postgresUrl: postgres.url, mongoUrl: mongo.url })
  return async () => {
    running.users--
    if (running.users > 0) return
    shared.tributaryServices = undefined
    await running.own.end()
  }
}

function begin(): Running {
  sweep()
  const own = ownServers()
  const { REDIS_URL, POSTGRES_URL, MONGODB_URL } = process.env
  const services = Promise.all([
    own.redis({ url: REDIS_URL }),
    own.postgres({ url: POSTGRES_URL }),
    own.mongo({ url: MONGODB_URL }),
  ])
  services.catch(() => own.end())
  return { own, services, users: 0 }
}
