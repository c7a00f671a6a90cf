import { type DeadLetter, letterArguments } from './dead-letter.js'
import { type Confirmation, createWrite } from './durability.js'
import { type NewEntry, toFields } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const append = loadScript('append')
const deadLetter = loadScript('dead-letter')

/** Writes accepted requests to the log. */
export interface Producer {
  /**
   * Appends entries to one partition in one round trip; batches go to the partitions in turn.
   * @returns the places of the entries, in order, once all are durable
   * @throws the error of Redis or the connection · TransientError when Redis does not confirm that they are durable;
   * then it is not known which entries are in the log
   */
  append(entries: readonly NewEntry[]): Promise<Appended>
  /** Adds dead letters that have no entry; durable when it returns. @returns the stream's key @throws like `append` */
  deadLetter(letters: readonly DeadLetter[]): Promise<string>
}

/** The places of appended entries in the log. */
export interface Appended {
  readonly partition: number
  /** The stream's key. */
  readonly stream: string
  readonly ids: readonly string[]
}

/**
 * @param redis a fail-fast connection: see `createRedis`
 * @param confirmations what makes a write durable beyond Redis' memory: see `openConfirmations`
 */
export function createProducer(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
  confirmations: readonly Confirmation[] = [],
): Producer {
  const write = createWrite(redis, confirmations)
  let turn = 0
  const next = () => {
    const keys = partitions[turn++ % partitions.length]
    if (!keys) throw new Error('A producer needs at least one partition')
    return keys
  }
  return {
    async append(entries) {
      const keys = next()
      const ids = (await write(
        append,
        [keys.events],
        entries.flatMap((entry) => toFields(entry)),
      )) as string[]
      return { partition: keys.partition, stream: keys.events, ids }
    },
    async deadLetter(letters) {
      const keys = next()
      await write(deadLetter, [keys.dead, keys.events], ['', '', ...letterArguments(letters)])
      return keys.dead
    },
  }
}
