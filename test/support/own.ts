import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type MongoOptions, startMongo } from '../../src/dev/services/mongo.js'
import { startPostgres } from '../../src/dev/services/postgres.js'
import { freeze, inspect, send } from '../../src/dev/services/processes.js'
import { startRedis } from '../../src/dev/services/redis.js'
import { versionOf } from '../../src/dev/services/run.js'
import type { EmbeddedOptions, Service } from '../../src/dev/services/service.js'

/** Where downloads are kept, for all runs. */
const DOWNLOADS = resolve(import.meta.dirname, '../../.tributary')

/** The name of a test's folder goes on with the id of its process, so that a later run can tell what is left over. */
const PREFIX = 'tributary-test-'

/** Servers of one user's own, in a fresh folder: they may be killed, paused, stopped and started again. */
export interface OwnServers {
  readonly options: EmbeddedOptions
  /** Each of them with what differs from `options`: a `choice`, a `url`. */
  redis(more?: Partial<EmbeddedOptions>, settings?: Readonly<Record<string, string>>): Promise<Service>
  postgres(more?: Partial<EmbeddedOptions>): Promise<Service>
  /** A `mongod` that is there, or else SecantusDB: no mongod is downloaded for a test. */
  mongo(more?: Partial<MongoOptions>): Promise<Service>
  /** Ends what was started here and removes the data. For `afterAll`. */
  end(): Promise<void>
}

/** @param report called with each line of the servers; default: standard error */
export function ownServers(report: (line: string) => void = say): OwnServers {
  const data = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
  const options = { home: DOWNLOADS, data, report, signal: new AbortController().signal }
  const starting: Promise<Service>[] = []
  const keep = (start: Promise<Service>): Promise<Service> => {
    starting.push(start)
    return start
  }
  return {
    options,
    redis: (more, settings) => keep(startRedis({ ...options, ...more }, settings)),
    postgres: (more) => keep(startPostgres({ ...options, ...more })),
    mongo: (more) => keep(mongo({ ...options, ...more })),
    end: async () => {
      const started = await Promise.allSettled(starting)
      // Killing is quicker than stopping, and the data is not needed. A server that was there refuses it.
      const servers = started.flatMap((start) => (start.status === 'fulfilled' ? start.value : []))
      await Promise.all(servers.map((server) => server.kill().catch(() => {})))
      rmSync(data, { recursive: true, force: true })
    },
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

async function mongo(o: MongoOptions): Promise<Service> {
  const present = (await versionOf('mongod', o.signal)) !== undefined
  const service = await startMongo({ choice: present ? 'mongod' : 'secantusdb', ...o })
  if (service === undefined) throw new Error('the tests need a MongoDB')
  return service
}

/** Ends the servers of test runs that were killed, and removes their data. */
export function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (Number.isNaN(owner) || inspect(owner) !== undefined) continue
    const data = join(tmpdir(), name)
    for (const file of readdirSync(data).filter((entry) => entry.endsWith('.pid'))) {
      const server = Number.parseInt(readFileSync(join(data, file), 'utf8'), 10)
      if (!inspect(server)?.command.includes(` ${data}/`)) continue
      for (const member of freeze(server)) send(member, 'SIGKILL')
    }
    rmSync(data, { recursive: true, force: true })
  }
}
