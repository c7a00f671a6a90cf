import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs'
import type { Config } from '../config.js'
import { chooseHttp } from '../edge/http/choose.js'
import { checkPostgres } from './services/postgres.js'
import { checkRedis } from './services/redis.js'
import { reason } from './services/service.js'

const MB = 1_048_576

/** Memory that the servers and the five roles need after a start; measured: 1,000 MB. */
const MEMORY_MB = 1_000
/** Disk for downloads and the servers' first files; measured: 210 MB. */
const DISK_MB = 500

/** Free memory and disk, in MB. */
export interface Room {
  readonly memory: number
  readonly disk: number
}

/**
 * Checks for everything that makes a start impossible, before anything is downloaded, installed or migrated.
 * @param home absolute path of the folder for data and downloads
 * @throws Error that names each cause with its remedy, one per line
 */
export async function preflight(
  config: Config,
  home: string,
  signal: AbortSignal,
  room?: Room,
): Promise<void> {
  // First and alone: without the folder the other checks could only fail.
  checkHome(home)
  const options = { home, report: () => undefined, signal }
  const problems = await Promise.all(
    [
      () => void chooseHttp(config.EDGE_HTTP),
      () => checkRoom(room ?? roomHere(home), config.TRIBUTARY_HOME),
      () => checkRedis({ ...options, url: config.REDIS_URL, choice: config.EMBEDDED_REDIS }),
      () => checkPostgres({ ...options, url: config.POSTGRES_URL, choice: config.EMBEDDED_POSTGRES }),
    ].map(async (check) => {
      try {
        await check()
        return []
      } catch (error) {
        signal.throwIfAborted()
        return [reason(error)]
      }
    }),
  )
  const lines = [...new Set(problems.flat())]
  if (lines.length > 0) throw new Error(lines.join('\n'))
}

function checkHome(home: string): void {
  try {
    mkdirSync(home, { recursive: true })
    accessSync(home, constants.W_OK)
  } catch (error) {
    throw new Error(
      `The folder ${home} cannot be written to (${reason(error)}). Set TRIBUTARY_HOME to another.`,
    )
  }
}

function roomHere(home: string): Room {
  const { bavail, bsize } = statfsSync(home)
  return { memory: process.availableMemory() / MB, disk: (bavail * bsize) / MB }
}

function checkRoom({ memory, disk }: Room, home: string): void {
  const lacks: string[] = []
  if (memory < MEMORY_MB) {
    lacks.push(
      `There are ${Math.floor(memory)} MB of memory, and the servers and roles need ${MEMORY_MB} MB. Give the machine ` +
        'or container more, or set REDIS_URL, POSTGRES_URL and MONGODB_URL to servers elsewhere and run roles one at a time.',
    )
  }
  if (disk < DISK_MB) {
    lacks.push(
      `There are ${Math.floor(disk)} MB of disk at ${home}, and downloads and data need ${DISK_MB} MB. Make room, or ` +
        'set TRIBUTARY_HOME to a folder on another disk.',
    )
  }
  if (lacks.length > 0) throw new Error(lacks.join('\n'))
}
