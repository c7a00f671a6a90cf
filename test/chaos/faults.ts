import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import { createRedis } from '../../src/stream/redis.js'
import { type Fleet, PRELOAD } from './fleet.js'
import { describe, type KindName, type Strike } from './plan.js'

/** Strikes a target. @returns what undoes it */
type Act = (fleet: Fleet, target: string, amount: number) => Promise<() => Promise<void> | void>

/** How long undoing may take until a run is given up, in ms: a server has to come up again. */
const UNDO_MS = 90_000

/** What became of a plan. */
export interface Struck {
  /** How many faults of each kind. */
  readonly byKind: Readonly<Record<string, number>>
  /** Those that could not be struck, for the process was just starting or the server was away. */
  readonly missed: readonly string[]
  /** When the last fault was undone, in ms of `performance.now()`. */
  readonly endedAt: number
}

/**
 * Strikes as the plan says, each fault in its own time, and undoes every one.
 * @param signal leaves out what has not been struck yet
 * @throws Error where a fault cannot be undone
 */
export async function strikeAll(
  plan: readonly Strike[],
  fleet: Fleet,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Struck> {
  setMaxListeners(0, signal)
  const start = performance.now()
  const byKind: Record<string, number> = {}
  const missed: string[] = []
  const one = async (strike: Strike) => {
    const restMs = start + strike.atMs - performance.now()
    await sleep(restMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    let undo: () => Promise<void> | void
    try {
      undo = await ACTS[strike.kind](fleet, strike.target, strike.amount)
      say(describe(strike))
    } catch (error) {
      missed.push(`${describe(strike)}: ${String(error)}`)
      say(`missed: ${missed.at(-1)}`)
      return
    }
    byKind[strike.kind] = (byKind[strike.kind] ?? 0) + 1
    await sleep(strike.lastsMs, undefined, { signal }).catch(() => undefined)
    await untilDone(undo, describe(strike))
  }
  await Promise.all(plan.map(one))
  return { byKind, missed, endedAt: performance.now() }
}

async function untilDone(undo: () => Promise<void> | void, what: string): Promise<void> {
  for (const end = performance.now() + UNDO_MS; ; ) {
    try {
      return await undo()
    } catch (error) {
      if (performance.now() > end) throw new Error(`This fault cannot be undone: ${what}`, { cause: error })
      await sleep(200)
    }
  }
}

const ACTS: Readonly<Record<KindName, Act>> = {
  kill: (fleet, target) => ended(fleet, target, 'SIGKILL'),
  term: (fleet, target) => ended(fleet, target, 'SIGTERM'),
  stop: async (fleet, target) => {
    const running = await memberOf(fleet, target).running()
    running.kill('SIGSTOP')
    return () => running.kill('SIGCONT')
  },
  clock: async (fleet, target, amount) => {
    const member = memberOf(fleet, target)
    const undo = () => ended(fleet, target, 'SIGKILL').then((release) => release())
    await ended(fleet, target, 'SIGKILL')
    member.release({
      CHAOS_CLOCK_MS: String(amount),
      NODE_OPTIONS: `--import=${join(PRELOAD, 'clock.mjs')}`,
    })
    return undo
  },
  'kill-server': async ({ servers }, target) => {
    const server = servers.get(target)
    await server?.kill()
    return () => server?.start()
  },
  'stop-server': async ({ servers }, target) => {
    const server = servers.get(target)
    server?.pause()
    return () => server?.resume()
  },
  cut: async ({ links }, target) => {
    links.get(target).cut()
    return () => links.get(target).restore()
  },
  freeze: async ({ links }, target) => {
    links.get(target).freeze()
    return () => links.get(target).thaw()
  },
  delay: async ({ links }, target, amount) => {
    links.get(target).delay(amount)
    return () => links.get(target).delay(0)
  },
  drop: async ({ links }, target) => {
    links.get(target).dropReplies()
    return () => links.get(target).restore()
  },
  full: async ({ redis }) => {
    const before = await askRedis(redis.url, async (client) => {
      const [, limit = '0'] = (await client.config('GET', 'maxmemory')) as string[]
      const used = /used_memory:(\d+)/.exec(await client.info('memory'))?.[1]
      await client.config('SET', 'maxmemory', String(Math.floor(Number(used) * 0.9)))
      return limit
    })
    return () =>
      askRedis(redis.url, (client) => client.config('SET', 'maxmemory', before)).then(() => undefined)
  },
  'read-only': async ({ postgres }) => {
    const set = (value: string) =>
      askPostgres(postgres.url, [`ALTER SYSTEM ${value}`, 'SELECT pg_reload_conf()'])
    await set('SET default_transaction_read_only = on')
    return () => set('RESET default_transaction_read_only')
  },
  'disk-full': async ({ postgres }) => {
    await askPostgres(postgres.url, FILL_DISK)
    return () => askPostgres(postgres.url, ['DROP FUNCTION IF EXISTS tributary.chaos_disk_full CASCADE'])
  },
  'not-primary': async ({ mongo }) => {
    const failCommands = ['insert', 'update', 'bulkWrite']
    await askMongo(mongo.url, 'alwaysOn', { failCommands, errorCode: 10107 })
    return () => askMongo(mongo.url, 'off')
  },
}

/** A disk of its own would need rights that a test has not: a trigger raises what Postgres raises (53100). */
const FILL_DISK = [
  `CREATE OR REPLACE FUNCTION tributary.chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
   BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`,
  ...['contacts', 'interactions', 'contact_records'].map(
    (table) =>
      `CREATE TRIGGER chaos_disk_full BEFORE INSERT OR UPDATE ON tributary.${table}
       FOR EACH ROW EXECUTE FUNCTION tributary.chaos_disk_full()`,
  ),
]

function memberOf({ members }: Fleet, name: string) {
  const member = members.get(name)
  if (!member) throw new Error(`There is no process ${name}`)
  return member
}

async function ended(fleet: Fleet, target: string, signal: 'SIGKILL' | 'SIGTERM') {
  const member = memberOf(fleet, target)
  await member.end(signal)
  return () => member.release()
}

async function askRedis<T>(
  url: string,
  work: (client: ReturnType<typeof createRedis>) => Promise<T>,
): Promise<T> {
  const client = createRedis(url, 'fail-fast', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } finally {
    client.disconnect()
  }
}

async function askPostgres(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SET default_transaction_read_only = off')
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function askMongo(url: string, mode: 'alwaysOn' | 'off', data?: object): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 3_000, socketTimeoutMS: 5_000 })
  try {
    await client.db('admin').command({ configureFailPoint: 'failCommand', mode, ...(data && { data }) })
  } finally {
    await client.close()
  }
}
