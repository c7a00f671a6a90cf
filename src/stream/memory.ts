import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './redis.js'

/** The memory of one Redis server that takes writes. */
export interface Memory {
  /** `<host>:<port>`. */
  readonly server: string
  /** Bytes, as Redis counts them against `maxmemory`: without the buffers of replicas and of the append-only file. */
  readonly used: number
  /** `maxmemory` in bytes; 0: no bound except the machine's memory. */
  readonly max: number
  /** `maxmemory-policy`. */
  readonly policy: string
}

/** Reads the memory of the server, or of each master of a Cluster. Costs each one command of about 30 us. */
export async function readMemory(redis: RedisClient): Promise<Memory[]> {
  return await Promise.all(
    mastersOf(redis).map(async (master) => {
      const info = parseInfo(await master.info('memory'))
      return {
        server: nameOf(master),
        used: Number(info.get('used_memory')) - Number(info.get('mem_not_counted_for_evict') ?? 0),
        max: Number(info.get('maxmemory')),
        policy: info.get('maxmemory_policy') ?? '',
      }
    }),
  )
}

/** The used share of `maxmemory` on the fullest server; `undefined` when none has a `maxmemory`. */
export function fullest(memories: readonly Memory[]): number | undefined {
  const shares = memories.filter(({ max }) => max > 0).map(({ used, max }) => used / max)
  return shares.length > 0 ? Math.max(...shares) : undefined
}

/**
 * Finds settings of Redis that may lose acknowledged requests, each described with its remedy.
 * @param bounded whether the backlog has its own bound, so that Redis needs none
 */
export async function findWeaknesses(redis: RedisClient, bounded: boolean): Promise<string[]> {
  const memories = await readMemory(redis)
  const where = (servers: readonly string[]) => `Redis at ${servers.join(', ')}`
  const evicting = memories.filter(({ policy }) => policy !== 'noeviction')
  const unbounded = bounded ? [] : memories.filter(({ max }) => max === 0)
  const forgetful = await withoutAof(redis)
  const weaknesses: string[] = []
  if (evicting.length > 0) {
    const policies = [...new Set(evicting.map(({ policy }) => policy))].join(', ')
    weaknesses.push(
      `${where(evicting.map(({ server }) => server))} has maxmemory-policy ${policies}: when it is full it deletes ` +
        'events that were acknowledged. Set maxmemory-policy noeviction.',
    )
  }
  if (unbounded.length > 0) {
    weaknesses.push(
      `${where(unbounded.map(({ server }) => server))} has no maxmemory, and BACKLOG_MAX_BYTES is 0: nothing bounds ` +
        "the backlog but the machine's memory. Set maxmemory (the edge keeps REDIS_RESERVE_PERCENT of it free), or " +
        'BACKLOG_MAX_BYTES.',
    )
  }
  if (forgetful.length > 0) {
    weaknesses.push(
      `${where(forgetful)} writes no append-only file: a 202 does not survive the death of Redis. ` +
        'Set appendonly yes.',
    )
  }
  return weaknesses
}

async function withoutAof(redis: RedisClient): Promise<string[]> {
  const servers = await Promise.all(
    mastersOf(redis).map(async (master) => {
      const info = parseInfo(await master.info('persistence'))
      return info.get('aof_enabled') === '0' ? [nameOf(master)] : []
    }),
  )
  return servers.flat()
}

/** The server, or each master of a Cluster. */
export function mastersOf(redis: RedisClient): Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis]
}

/** `<host>:<port>`. */
export function nameOf({ options }: Redis): string {
  return `${options.host}:${options.port}`
}

function parseInfo(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
