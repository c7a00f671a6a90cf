import { existsSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { ROLES } from '../../src/cli/start.js'
import { accessOf, type Environment, readConfig, secretsVariable, VARIABLES } from '../../src/config.js'
import { freePort } from '../../src/dev/services/port.js'
import { dataFolder, type Service } from '../../src/dev/services/service.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { type OwnServers, ownServers } from '../support/own.js'
import { Links } from './links.js'
import { Member } from './member.js'
import type { Mutation } from './mutants.js'
import type { Shape } from './plan.js'

/** Where `package.json` stands: the sources are two folders below it, the compiled files three. */
export const ROOT = rootFrom(import.meta.dirname)
/** Where the modules are that `node --import` loads first. */
export const PRELOAD = join(ROOT, 'test/chaos/preload')

const MAIN = join(ROOT, 'dist/src/cli/main.js')
const SECRET = 'chaos-secret'
const SECRETS = Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), SECRET]))
/** How the traffic signs its requests. */
export const SENDERS = accessOf(readConfig(SECRETS), CONTRACTS)
export const DATABASES = { state: 'cxone', events: 'cxone_events' }
export const PARTITIONS = partitionKeys('cxone', 2)
/** As the workers have it. */
export const MAX_CLOCK_SKEW_MS = 600_000

/** Short times, so that in a short run everything happens that takes long in production. */
const SETTINGS: Readonly<Record<string, string>> = {
  LEASE_MS: '2000',
  SHUTDOWN_TIMEOUT_MS: '3000',
  BATCH_MAX_EVENTS: '200',
  REPLAY_WINDOW_MS: '10000',
  TRIM_EVERY_MS: '2000',
  MEASURE_EVERY_MS: '1000',
  // No worker of these groups exists yet, and a group without a worker would keep everything in the log.
  SINKS_NOT_RUN: 'interactions',
}

const NEVER = new AbortController().signal

/** A whole Tributary, with its servers and every connection in between. */
export interface Fleet {
  readonly redis: Service
  readonly postgres: Service
  readonly mongo: Service
  readonly servers: ReadonlyMap<string, Service>
  readonly members: ReadonlyMap<string, Member>
  readonly links: Links
  readonly shape: Shape
  /** Of the edge, through its proxy, without a path. */
  readonly url: string
  /** How many processes have loaded the mutation. */
  readonly mutated: () => number
  /** Processes that ended by themselves, and servers that did. */
  readonly troubles: readonly string[]
  /** Kills everything. @param moveTo new path of the folder with all logs and data; left out: it is removed */
  close(moveTo?: string): Promise<void>
}

/** What a fleet is made with. */
export interface FleetOptions {
  /** Workers of each sink. */
  readonly workers: number
  /** Is told, a line at a time, what the servers have to say. */
  readonly say: (line: string) => void
  /** What is wrong with the product in this run. */
  readonly mutation?: Mutation | undefined
  /** Settings of all processes that differ from the usual ones of a run. */
  readonly env?: Readonly<Record<string, string>>
}

/** Starts servers, migrates, starts one process a role and worker; resolves when all of them run. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const troubles: string[] = []
  const trouble = (what: string) => {
    options.say(`TROUBLE: ${what}`)
    troubles.push(what)
  }
  const own = ownServers((line) => (line.includes('ended by itself') ? trouble(line) : options.say(line)))
  const folder = dataFolder(own.options)
  const note = join(folder, 'mutated.log')
  const links = new Links()
  const members = new Map<string, Member>()
  const close = async () => {
    await Promise.all([...members.values()].map((member) => member.close()))
    await links.close()
  }
  try {
    const [redis, postgres, mongo] = await startServers(own)
    const servers = new Map([redis, postgres, mongo].map((server) => [server.name as string, server]))
    const edgePort = await freePort()
    const front = await links.add('sender>edge-1', edgePort)
    for (const [name, role] of roster(options.workers)) {
      const urls = await connect(name, role, links, { redis, postgres, mongo })
      const env = { ...environmentOf(role, edgePort, note, options), ...urls }
      members.set(name, new Member({ name, role, main: MAIN, env, folder, onTrouble: trouble }))
    }
    await Promise.all([...members.values()].map((member) => member.began))
    return {
      ...{ redis, postgres, mongo, servers, members, links, troubles },
      mutated: () => (existsSync(note) ? readFileSync(note, 'utf8').split('\n').length - 1 : 0),
      shape: { members: [...members.keys()], servers: [...servers.keys()], links: links.names },
      url: `http://127.0.0.1:${front.port}`,
      close: async (moveTo) => {
        await close()
        await Promise.all([...servers.values()].map((server) => server.kill()))
        // Where it is, the next run of the tests would stop it as a server of a killed run.
        if (moveTo !== undefined) renameSync(folder, moveTo)
        await own.end()
      },
    }
  } catch (error) {
    await close()
    await own.end()
    throw error
  }
}

function rootFrom(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootFrom(dirname(folder))
}

async function startServers(own: OwnServers): Promise<[Service, Service, Service]> {
  const home = { home: join(ROOT, '.tributary') }
  const servers = await Promise.all([
    own.redis(home),
    own.postgres(home),
    own.mongo({ ...home, failPoints: true }),
  ])
  const to = { entities: ENTITIES, report: () => undefined, signal: NEVER }
  await migratePostgres({ url: servers[1].url, ...to })
  await migrateMongo({ url: servers[2].url, databases: DATABASES, ...to })
  return servers
}

/** Name and role of each process. */
function roster(workers: number): [name: string, role: string][] {
  const several = (role: string) =>
    Array.from({ length: workers }, (_, i): [string, string] => [`${role}-${i + 1}`, role])
  const alone = ROLES.includes('maintenance') ? [['maintenance-1', 'maintenance'] as [string, string]] : []
  return [['edge-1', 'edge'], ...['postgres', 'mongo', 'feed'].flatMap(several), ...alone]
}

async function connect(
  name: string,
  role: string,
  links: Links,
  { redis, postgres, mongo }: Record<'redis' | 'postgres' | 'mongo', Service>,
): Promise<Record<string, string>> {
  return {
    REDIS_URL: await links.between(name, redis),
    ...(role === 'postgres' && { POSTGRES_URL: await links.between(name, postgres) }),
    ...(role === 'mongo' && { MONGODB_URL: await links.between(name, mongo) }),
  }
}

function environmentOf(
  role: string,
  port: number,
  note: string,
  { env, mutation }: FleetOptions,
): Environment {
  // A setting that this version does not know would be an error.
  const settings = Object.entries({ ...SETTINGS, ...env }).filter(([name]) => name in VARIABLES)
  return {
    ...process.env,
    ...Object.fromEntries(settings),
    ...SECRETS,
    HOST: '127.0.0.1',
    PORT: String(port),
    PARTITIONS: String(PARTITIONS.length),
    STREAM_PREFIX: 'cxone',
    MAX_CLOCK_SKEW_MS: String(MAX_CLOCK_SKEW_MS),
    MONGODB_STATE_DATABASE: DATABASES.state,
    MONGODB_EVENTS_DATABASE: DATABASES.events,
    ...(mutation?.roles.includes(role) && {
      CHAOS_MUTATION: JSON.stringify({ ...mutation, note }),
      NODE_OPTIONS: `--import=${join(PRELOAD, 'mutate.mjs')}`,
    }),
  }
}
