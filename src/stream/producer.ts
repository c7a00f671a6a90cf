import type { Redis } from 'ioredis'
import { type DeadLetter, letterFields } from './dead-letter.js'
import { type NewEntry, toFields } from './entry.js'
import type { PartitionKeys } from './keys.js'
import { loadScript } from './scripts.js'

const append = loadScript('append')
const bury = loadScript('bury')

/** Writes accepted requests to the log. */
export interface Producer {
  /**
   * Appends entries to one partition in one round trip; batches take the partitions in turn.
   * @returns where each entry stands, in order
   * @throws whatever Redis or the connection answers; then it is not known which entries are in the log
   */
  append(entries: readonly NewEntry[]): Promise<Appended>
  /** Adds dead letters that have no entry; durable when it returns. @throws like `append` */
  bury(letters: readonly DeadLetter[]): Promise<void>
}

/** The places of appended entries. */
export interface Appended {
  readonly partition: number
  readonly ids: readonly string[]
}

/** @param redis a fail-fast connection: see `createRedis` */
export function createProducer(redis: Redis, partitions: readonly PartitionKeys[]): Producer {
  let turn = 0
  const next = () => {
    const keys = partitions[turn++ % partitions.length]
    if (!keys) throw new Error('A producer needs at least one partition')
    return keys
  }
  return {
    async append(entries) {
      const keys = next()
      const ids = (await append(redis, [keys.events], entries.flatMap(toFields))) as string[]
      return { partition: keys.partition, ids }
    },
    async bury(letters) {
      const keys = next()
      await bury(redis, [keys.dead, keys.events], ['', '', ...letters.flatMap(letterFields)])
    },
  }
}
