import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ENTITIES } from '../../schemas/index.js'
import type { Config, Environment } from '../config.js'
import { chooseHttp } from '../edge/http/choose.js'
import type { Lifecycle } from '../shutdown.js'
import { migrateMongo } from '../sinks/mongo/migrate.js'
import { migratePostgres } from '../sinks/postgres/migrate/migrate.js'
import { preflight } from './preflight.js'
import { type RoleProcess, startRole } from './roles.js'
import { type Services, startServices } from './services/all.js'
import { freePort } from './services/port.js'

const ROLES = ['edge', 'postgres', 'mongo', 'feed', 'maintenance'] as const

/** Number of cores that one edge, Redis, the workers and the stores keep busy. */
const CORES_OF_ONE_EDGE = 2

/**
 * The roles of a run, each in its own process. Where there are more cores, a second edge runs on the same port.
 * @param sharesPort whether the edge's HTTP server can share a port
 */
export function rolesOf(cores: number, sharesPort: boolean): readonly string[] {
  return cores > CORES_OF_ONE_EDGE && sharesPort ? [...ROLES, 'edge'] : ROLES
}

/** A running Tributary with all its servers. */
export interface DevRun {
  readonly config: Config
  /** URL of the edge, without a path. */
  readonly url: string
  readonly services: Services
  readonly roles: readonly RoleProcess[]
  readonly lifecycle: Lifecycle
  readonly say: (line: string) => void
}

/**
 * Starts the servers, migrates the stores, and starts the roles; the lifecycle stops them.
 * @throws Error that says what is missing or prevents the start
 */
export async function startRun(
  config: Config,
  env: Environment,
  lifecycle: Lifecycle,
  say: (line: string) => void,
): Promise<DevRun> {
  const home = resolve(config.TRIBUTARY_HOME)
  await preflight(config, home, lifecycle.stopping)
  const wanted = rolesOf(availableParallelism(), chooseHttp(config.EDGE_HTTP).sharesPort && config.PORT !== 0)
  const ports = await choosePorts(config, wanted.length)
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
  const reuse = wanted.filter((role) => role === 'edge').length > 1 ? { REUSE_PORT: 'true' } : {}
  const roles = await startRoles(wanted, { ...env, ...urls, ...reuse }, ports.admin, home, lifecycle, say)
  const url = `http://127.0.0.1:${ports.edge}`
  say(
    `Listening on ${url}; figures on ${roles.map(({ role, adminPort }) => `:${adminPort}/stats (${role})`).join(', ')}`,
  )
  return { config, url, services, roles, lifecycle, say }
}

/**
 * Chooses the ports of this run, before anything is installed or started. A role chooses its admin port itself where
 * it is 0.
 * @param roles number of roles that need an admin port
 * @throws Error that names the variable of a port that is taken
 */
async function choosePorts(
  { HOST, PORT, ADMIN_PORT }: Config,
  roles: number,
): Promise<{ edge: number; admin: readonly number[] }> {
  const named = (variable: string) => (error: Error) => {
    throw new Error(`${error.message} The variable is ${variable}.`)
  }
  const range = `ADMIN_PORT (the roles take ${ADMIN_PORT} to ${ADMIN_PORT + roles - 1})`
  const edge = await freePort(PORT, HOST).catch(named('PORT'))
  const admin = Array.from({ length: roles }, (_, i) =>
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
  wanted: readonly string[],
  env: Environment,
  adminPorts: readonly number[],
  home: string,
  lifecycle: Lifecycle,
  say: (line: string) => void,
): Promise<RoleProcess[]> {
  const logs = join(home, 'logs')
  await mkdir(logs, { recursive: true })
  const main = fileURLToPath(new URL('../cli/main.js', import.meta.url))
  const starting = wanted.map(async (role, i) => {
    if (role === 'mongo' && !env.MONGODB_URL) return undefined
    const isSecond = wanted.indexOf(role) < i
    const logFile = join(logs, `${role}${isSecond ? '-2' : ''}.log`)
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
  // Waits for all of them, so that every started role is stopped with the lifecycle where another does not start.
  const started = await Promise.allSettled(starting)
  return started.flatMap((start) => {
    if (start.status === 'rejected') throw start.reason
    return start.value ?? []
  })
}
