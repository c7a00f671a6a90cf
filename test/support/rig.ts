import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { CONTRACTS, ENTITIES } from '../../schemas/index.js'
import { accessOf, readConfig, secretsVariable } from '../../src/config.js'
import { type SinkLedger, takeLedger } from '../../src/dev/ledger/ledger.js'
import { openStores } from '../../src/dev/ledger/stores.js'
import { type RoleProcess, startRole } from '../../src/dev/roles.js'
import { freePort } from '../../src/dev/services/port.js'
import type { Service } from '../../src/dev/services/service.js'
import { sampleRequests } from '../../src/dev/traffic/samples.js'
import { type SendReport, sendTraffic } from '../../src/dev/traffic/sender.js'
import { headersOf } from '../../src/dev/traffic/signing.js'
import { migrateMongo } from '../../src/sinks/mongo/migrate.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { openClient } from '../../src/stream/client.js'
import { groupFigures } from '../../src/stream/groups.js'
import { partitionKeys } from '../../src/stream/keys.js'
import { ownServers } from './own.js'

const SECRET = 'test-secret'
const SECRETS = Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), SECRET]))
export const SENDERS = accessOf(readConfig(SECRETS), CONTRACTS)
const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')
const NEVER = new AbortController().signal
const DATABASES = { MONGODB_STATE_DATABASE: 'cxone', MONGODB_EVENTS_DATABASE: 'cxone_events' }

/** What is sent, and for how long. */
export interface TrafficOptions {
  /** Requests a second. */
  readonly rate: number
  readonly seconds: number
  readonly seed: number
}

/** A Tributary of a test's own, one process a role out of `dist/`, on servers that may be killed. */
export interface Rig {
  readonly redis: Service
  readonly postgres: Service
  readonly mongo: Service
  /** Of the edge, without a path. */
  readonly url: string
  /** Starts a role as a container would. */
  start(
    role: 'edge' | 'postgres' | 'mongo' | 'feed' | 'maintenance',
    env?: Record<string, string>,
  ): Promise<RoleProcess>
  /** Sends sample traffic as CXone would, again where it gets no 2xx, and waits for the last answer. */
  send(options: TrafficOptions): Promise<SendReport>
  /** Posts one body, signed. @returns the status of the answer */
  post(contract: string, body: unknown): Promise<number>
  /** Waits until both groups have acknowledged everything. @throws Error after `timeoutMs` */
  drain(timeoutMs?: number): Promise<void>
  /** All that the processes of a role have logged so far. */
  log(role: string): string
  /** Looks up where every acknowledged event is. */
  ledger(acknowledged: readonly string[], feed?: boolean): Promise<SinkLedger[]>
}

/** What differs from a Redis of its own with one partition. */
export interface RigOptions {
  readonly redisUrl?: string
  readonly partitions?: number
}

/** Starts the servers and migrates; no role runs yet. All of it ends with the test. */
export async function createRig({ redisUrl, partitions: count = 1 }: RigOptions = {}): Promise<Rig> {
  const servers = ownServers(() => undefined)
  onTestFinished(() => servers.end())
  const [redis, postgres, mongo, port] = await Promise.all([
    // With everysec a SIGKILL may cost what was acknowledged while a background fsync ran: docs/durability.md.
    servers.redis({ url: redisUrl }, { appendfsync: 'always' }),
    servers.postgres(),
    servers.mongo({ failPoints: true }),
    freePort(),
  ])
  const to = { entities: ENTITIES, report: () => undefined, signal: NEVER }
  await migratePostgres({ url: postgres.url, ...to })
  await migrateMongo({ url: mongo.url, databases: { state: 'cxone', events: 'cxone_events' }, ...to })
  const logs = mkdtempSync(join(tmpdir(), 'tributary-rig-'))
  onTestFinished(() => rmSync(logs, { recursive: true, force: true }))
  const partitions = partitionKeys('cxone', count)
  const client = await openClient(redis.url, 'patient', () => undefined)
  onTestFinished(() => client.disconnect())
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...process.env,
    ...DATABASES,
    ...SECRETS,
    HOST: '127.0.0.1',
    PORT: String(port),
    REDIS_URL: redis.url,
    PARTITIONS: String(count),
    POSTGRES_URL: postgres.url,
    MONGODB_URL: mongo.url,
    LEASE_MS: '2000',
  }
  return {
    redis,
    postgres,
    mongo,
    url,
    start: async (role, more = {}) => {
      const options = {
        main: MAIN,
        role,
        logFile: join(logs, `${role}.log`),
        onWarning: () => undefined,
      }
      const started = await startRole({ ...options, env: { ...env, ...more } }, NEVER)
      onTestFinished(() => started.kill('SIGKILL'))
      return started
    },
    send: ({ rate, seconds, seed }) =>
      sendTraffic({
        url,
        requests: sampleRequests({ seed, count: rate * seconds, late: 0.1, duplicate: 0.1, invalid: 0.1 }),
        rate,
        senders: SENDERS,
        signal: NEVER,
        attempts: 20,
      }),
    post: async (name, value) => {
      const contract = CONTRACTS.find((one) => one.name === name)
      if (!contract) throw new Error(`there is no contract ${name}`)
      const body = Buffer.from(JSON.stringify(value))
      const headers = headersOf({ contract, body, signature: 'right' }, SENDERS)
      const answer = await fetch(`${url}${contract.path}`, { method: 'POST', headers, body })
      await answer.arrayBuffer()
      return answer.status
    },
    drain: async (timeoutMs = 120_000) => {
      const end = Date.now() + timeoutMs
      for (;;) {
        const figures = await Promise.all(
          ['postgres', 'mongo'].map((group) => groupFigures(client, partitions, group, 2_000)),
        )
        if (figures.every(({ undelivered, pending }) => undelivered + pending === 0)) return
        if (Date.now() > end) throw new Error(`not drained in time: ${JSON.stringify(figures)}`)
        await sleep(100)
      }
    },
    log: (role) => readFileSync(join(logs, `${role}.log`), 'utf8'),
    ledger: async (acknowledged, withFeed = false) => {
      const stores = openStores(DATABASES, { postgres: postgres.url, mongo: mongo.url })
      const feed = withFeed ? partitionKeys('cxone', 1) : []
      const sources = { redis: client, partitions, stores: stores.all, feed, maxClockSkewMs: 600_000 }
      return await takeLedger(acknowledged, sources).finally(() => stores.close())
    },
  }
}
