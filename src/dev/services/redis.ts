import { totalmem } from 'node:os'
import { aptInstall, canApt, disableService } from './apt.js'
import { existing } from './existing.js'
import { pingRedis } from './ping.js'
import { versionOf } from './run.js'
import { dataIn, startServer } from './server.js'
import { type EmbeddedOptions, inData, oneOf, reason, type Service } from './service.js'

/** Least memory for Redis, in bytes: enough for the default replay window and dead letters. */
const MIN_MEMORY = 3 * 1024 ** 3

const CHOICES = ['path', 'apt'] as const
type Choice = (typeof CHOICES)[number]

interface Found {
  readonly command: string
  readonly version: string
}

/**
 * Redis with the durability of production: an append-only file, and nothing is ever evicted.
 * Takes the first that works: `url`, `redis-server` or `valkey-server` on PATH ("path"), apt-get as root ("apt").
 * @param settings more settings of the server, by name
 * @throws Error that names the cause and the remedy, when no way works, Redis is older than 6.2, or it does not
 *   start
 */
export async function startRedis(
  o: EmbeddedOptions,
  settings: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const choice = oneOf('Redis', o.choice, CHOICES)
  if (o.url) return await ofUrl(o.url)
  const present = choice === 'apt' ? undefined : await onPath(o.signal)
  const found = present ?? (await install(o, choice))
  refuseOld(found.version)
  const dataDir = inData(o, 'redis')
  const how = present === undefined ? 'installed with apt-get' : 'from PATH'
  return await startServer(
    {
      name: 'redis',
      chose: `${found.command} ${found.version} ${how}, ${dataIn(dataDir)}`,
      command: found.command,
      args: (port) => flags({ ...settings, port: String(port), dir: dataDir }),
      dataDir,
      url: (port) => `redis://127.0.0.1:${port}`,
      ping: (port) => pingRedis(`redis://127.0.0.1:${port}`),
      stopSignal: 'SIGTERM',
    },
    o,
  )
}

/**
 * Checks that {@link startRedis} can get a server. Installs nothing.
 * @throws Error that names the cause and the remedy where it cannot
 */
export async function checkRedis(o: EmbeddedOptions): Promise<void> {
  const choice = oneOf('Redis', o.choice, CHOICES)
  if (o.url) return void (await ofUrl(o.url))
  const found = choice === 'apt' ? undefined : await onPath(o.signal)
  if (found) refuseOld(found.version)
  else await checkInstallable(o, choice)
}

function ofUrl(url: string): Promise<Service> {
  return existing('redis', 'REDIS_URL', url, async (of) => refuseOld(await pingRedis(of)))
}

function flags(own: Record<string, string>): string[] {
  const all = {
    bind: '127.0.0.1',
    appendonly: 'yes',
    appendfsync: 'everysec',
    // Without a limit, a growing backlog would use up the machine's memory, instead of causing a 503.
    maxmemory: String(Math.max(MIN_MEMORY, Math.floor(totalmem() / 4))),
    'maxmemory-policy': 'noeviction',
    save: '',
    'set-proc-title': 'no', // the title would hide the data folder, by which a later run recognises our server
    ...own,
  }
  return Object.entries(all).flatMap(([key, value]) => [`--${key}`, value])
}

async function onPath(signal: AbortSignal): Promise<Found | undefined> {
  for (const command of ['redis-server', 'valkey-server']) {
    const version = /v=(\d+\.\d+\.\d+)/.exec((await versionOf(command, signal)) ?? '')?.[1]
    if (version !== undefined) return { command, version }
  }
  return undefined
}

const MISSING = 'Redis is needed, and neither redis-server nor valkey-server is on PATH'
const REMEDY =
  'Set REDIS_URL to a server that runs, or install it: "apt-get install redis-server" (Debian, Ubuntu), ' +
  '"brew install redis" (macOS), "dnf install valkey" (Fedora, RHEL).'

/** Checks that Redis can be installed here. @throws Error where it cannot */
async function checkInstallable(o: EmbeddedOptions, choice: Choice | undefined): Promise<void> {
  if (choice === 'path') throw new Error(`${MISSING}. ${REMEDY}`)
  if (!(await canApt(o.signal)))
    throw new Error(`${MISSING}; only root with apt-get can install it. ${REMEDY}`)
}

async function install(o: EmbeddedOptions, choice: Choice | undefined): Promise<Found> {
  await checkInstallable(o, choice)
  try {
    await aptInstall('redis-server', o)
    await disableService('redis-server', o.signal)
  } catch (error) {
    o.signal.throwIfAborted()
    throw new Error(`${MISSING}, and apt-get could not install it: ${reason(error)}. ${REMEDY}`, {
      cause: error,
    })
  }
  const found = await onPath(o.signal)
  if (found === undefined) throw new Error(`${MISSING}, even after apt-get installed it. ${REMEDY}`)
  return found
}

function refuseOld(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 6 || (major === 6 && minor >= 2)) return
  throw new Error(
    `Redis ${version} is too old: 6.2 or newer is needed (XAUTOCLAIM). Upgrade it, or set REDIS_URL.`,
  )
}
