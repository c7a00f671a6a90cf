import { Cluster, type Redis } from 'ioredis'
import { TransientError } from '../errors.js'
import { mastersOf, nameOf } from './memory.js'
import { askRedis, type RedisClient } from './redis.js'
import type { Arguments, Script } from './scripts.js'

/** What must have happened to an append before it counts as durable. */
export interface Durability {
  /** `appended`: Redis has it in memory · `replicated`: replicas have it too · `synced`: it is on Redis' own disk. */
  readonly mode: 'appended' | 'replicated' | 'synced'
  /** How many replicas must have it, with `replicated`. */
  readonly replicas: number
  /** How long an append may take as a whole, in ms. */
  readonly timeoutMs: number
}

/**
 * A command sent after a write on the same connection; its reply says whether that write is durable. So the producer
 * remembers nothing about servers, which may be replaced or reconfigured at any time.
 */
export interface Confirmation {
  readonly command: readonly [name: string, ...values: (string | number)[]]
  /** What is missing, for people; `undefined`: nothing. */
  missing(reply: unknown): string | undefined
}

/** Runs a script that writes. @returns its reply, once its writes are durable */
export type Write = (script: Script, keys: readonly string[], args: Arguments) => Promise<unknown>

/** Redis may wait for replicas or its disk for this share of an append's timeout, and never longer than the maximum. */
const WAIT_SHARE = 0.9
const MAX_WAIT_MS = 10_000

/**
 * Returns the commands that confirm writes; none for `appended`.
 * @throws TransientError while Redis does not answer · Error with a remedy when Redis does not support `synced`
 */
export async function openConfirmations(redis: RedisClient, durability: Durability): Promise<Confirmation[]> {
  const waitMs = Math.ceil(Math.min(durability.timeoutMs * WAIT_SHARE, MAX_WAIT_MS))
  if (durability.mode === 'appended') return []
  if (durability.mode === 'replicated') return [replicated(durability.replicas, waitMs)]
  const masters = mastersOf(redis)
  const all = (await Promise.all(masters.map(hasWaitaof))).every(Boolean)
  const confirmations = all ? [ALWAYS, fsynced(waitMs)] : [ALWAYS]
  for (const master of masters) {
    for (const confirmation of confirmations) await demand(master, confirmation)
  }
  return confirmations
}

/** Makes the function a producer writes with. Confirmations cost one round trip and their waiting time; none, nothing. */
export function createWrite(redis: RedisClient, confirmations: readonly Confirmation[]): Write {
  if (confirmations.length === 0) return (script, keys, args) => script(redis, keys, args)
  return async (script, keys, args) => {
    // Sends the whole script, not its hash: if Redis did not know the hash, the script would run after its
    // confirmations. A pipeline sends everything at once on one connection; on a Cluster, to the node of the keys.
    const pipeline = redis.pipeline().eval(script.lua, keys.length, ...keys, ...args)
    for (const { command } of confirmations) pipeline.call(...split(command))
    const [written, ...replies] = unwrap(redis, await pipeline.exec())
    confirmations.forEach((confirmation, i) => {
      const missing = confirmation.missing(replies[i])
      if (missing !== undefined)
        throw new TransientError(`Redis has written it, but did not confirm that it is durable: ${missing}`)
    })
    return written
  }
}

function replicated(replicas: number, waitMs: number): Confirmation {
  return {
    command: ['WAIT', replicas, waitMs],
    missing: (reply) =>
      Number(reply) >= replicas
        ? undefined
        : `${Number(reply)} of ${replicas} replicas confirmed within ${waitMs} ms. Look at them with INFO replication`,
  }
}

/**
 * Checks that Redis answers only after fsync. It is needed beside WAITAOF: with `appendfsync everysec` WAITAOF returns
 * too early on some servers, such as Redis 7.4.0 and Valkey 8.0.1 (redis#13793).
 */
const ALWAYS: Confirmation = {
  command: ['CONFIG', 'GET', 'append*'],
  missing(reply) {
    const settings = (reply as readonly unknown[]).map(String)
    const [on, sync] = ['appendonly', 'appendfsync'].map((name) => settings[settings.indexOf(name) + 1])
    return on === 'yes' && sync === 'always' ? undefined : `appendonly is ${on}, appendfsync is ${sync}`
  },
}

/** An append-only file that was just switched on is not complete yet; WAITAOF takes that into account. */
function fsynced(waitMs: number): Confirmation {
  return {
    command: ['WAITAOF', 1, 0, waitMs],
    missing: (reply) =>
      Number((reply as readonly unknown[])[0]) === 1 ? undefined : `not on disk within ${waitMs} ms`,
  }
}

/** Asks for the command, not the version: Valkey always calls itself Redis 7.2.4. */
async function hasWaitaof(master: Redis): Promise<boolean> {
  const [about] = (await askRedis('find out which commands it has', () =>
    master.call('COMMAND', 'INFO', 'waitaof'),
  )) as [unknown]
  return about !== null
}

async function demand(master: Redis, { command, missing }: Confirmation): Promise<void> {
  let problem: string | undefined
  try {
    problem = missing(await askRedis(`do ${command[0]}`, () => master.call(...split(command))))
  } catch (error) {
    if (error instanceof TransientError || !(error instanceof Error)) throw error
    problem = `${command[0]} is refused there, as by most hosted services: ${error.message}`
  }
  if (problem === undefined) return
  throw new Error(
    `DURABILITY=synced is not possible with Redis at ${nameOf(master)}: ${problem}. Set appendonly yes and appendfsync ` +
      'always there and permit CONFIG GET, or choose another DURABILITY: docs/durability.md says what each survives.',
  )
}

function split([name, ...values]: Confirmation['command']): [string, (string | number)[]] {
  return [name, values]
}

function unwrap(redis: RedisClient, results: [Error | null, unknown][] | null): unknown[] {
  return (results ?? []).map(([error, reply]) => {
    if (error === null) return reply
    // ioredis does not follow a redirection when part of the pipeline succeeded, and WAIT succeeds on any node.
    if (redis instanceof Cluster && error.message.startsWith('MOVED')) redis.refreshSlotsCache()
    throw error
  })
}
