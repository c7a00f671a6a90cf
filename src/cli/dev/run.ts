import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ENTITIES } from '../../../schemas/index.js'
import type { Config, Environment } from '../../config.js'
import { freePort } from '../../embedded/port.js'
import type { Lifecycle } from '../../shutdown.js'
import { migrateMongo } from '../../sinks/mongo/migrate.js'
import { migratePostgres } from '../../sinks/postgres/migrate.js'
import { preflight } from './preflight.js'
import { type RoleProcess, startRole } from './roles.js'
import { type Services, startServices } from './services.js'

/** Each in a process of its own, its admin port counted up from ADMIN_PORT. */
const ROLES = ['edge', 'postgres', 'mongo', 'feed', 'maintenance']

/** A running Tributary with everything it needs. */
export interface DevRun {
  readonly config: Config
  /** Of the edge, without a path. */
  readonly url: string
  readonly services: Services
  readonly roles: readonly RoleProcess[]
  readonly lifecycle: Lifecycle
  readonly say: (line: string) => void
}

/**
 * Starts servers, migrates, starts the roles; all of it ends with the lifecycle.
 * @throws Error that says what is missing or in the way
 */
export async function startRun(
  config: Config,
  env: Environment,
  lifecycle: Lifecycle,
  say: (line: string) => void,
): Promise<DevRun> {
  const home = resolve(config.TRIBUTARY_HOME)
  await preflight(config, home, lifecycle.stopping)
  const ports = await choosePorts(config)
  say('Starting the servers ...')
  const services = await startServices(config, home, (line) => say(`  ${line}`), lifecycle.stopping)
  lifecycle.onClose('servers', async () => {
    await Promise.all(services.all.map((service) => service.stop()))
  })
  for (const service of services.all) say(`  ${service.name}: ${service.chose}`)
  await migrate(config, services, say, lifecycle.stopping)
  const urls = {
    PORT: String(ports.edge),
    REDIS_URL: services.redis.url,
    POSTGRES_URL: services.postgres.url,
    MONGODB_URL: services.mongo?.url,
  }
  const roles = await startRoles({ ...env, ...urls }, ports.admin, home, lifecycle, say)
  const url = `http://127.0.0.1:${ports.edge}`
  say(
    `Listening on ${url}; figures on ${roles.map(({ role, adminPort }) => `:${adminPort}/stats (${role})`).join(', ')}`,
  )
  return { config, url, services, roles, lifecycle, say }
}

/**
 * The ports of this run, before anything is installed or started. Of an admin port that is 0 its role chooses.
 * @throws Error that names the variable of a port that is taken
 */
async function choosePorts({
  HOST,
  PORT,
  ADMIN_PORT,
}: Config): Promise<{ edge: number; admin: readonly number[] }> {
  const named = (variable: string) => (error: Error) => {
    throw new Error(`${error.message} The variable is ${variable}.`)
  }
  const range = `ADMIN_PORT (the roles take ${ADMIN_PORT} to ${ADMIN_PORT + ROLES.length - 1})`
  const edge = await freePort(PORT, HOST).catch(named('PORT'))
  const admin = ROLES.map((_, i) =>
    ADMIN_PORT === 0 ? 0 : freePort(ADMIN_PORT + i, HOST).catch(named(range)),
  )
  return { edge, admin: await Promise.all(admin) }
}

async function migrate(
  config: Config,
  { postgres, mongo }: Services,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const to = { entities: ENTITIES, report: (line: string) => say(`  ${line}`), signal }
  await migratePostgres({ url: postgres.url, ...to })
  const databases = { state: config.MONGODB_STATE_DATABASE, events: config.MONGODB_EVENTS_DATABASE }
  if (mongo) await migrateMongo({ url: mongo.url, databases, ...to })
}

async function startRoles(
  env: Environment,
  adminPorts: readonly number[],
  home: string,
  lifecycle: Lifecycle,
  say: (line: string) => void,
): Promise<RoleProcess[]> {
  const logs = join(home, 'logs')
  await mkdir(logs, { recursive: true })
  const main = fileURLToPath(new URL('../main.js', import.meta.url))
  const starting = ROLES.filter((role) => role !== 'mongo' || env.MONGODB_URL).map(async (role, i) => {
    const logFile = join(logs, `${role}.log`)
    const adminPort = adminPorts[i] ?? 0
    const running = await startRole(
      { main, role, env, adminPort, logFile, onWarning: say },
      lifecycle.stopping,
    )
    lifecycle.onClose(role, async () => {
      running.kill('SIGTERM')
      await running.exited
    })
    void running.exited.then((code) => {
      if (lifecycle.stopping.aborted) return
      say(`${role} ended (${code}): see ${logFile}`)
      lifecycle.stop('a role ended', new Error(`${role} ended (${code})`))
    })
    return running
  })
  // All of them, so that none is left behind when another does not start.
  const started = await Promise.allSettled(starting)
  return started.map((one) => {
    if (one.status === 'fulfilled') return one.value
    throw one.reason
  })
}
