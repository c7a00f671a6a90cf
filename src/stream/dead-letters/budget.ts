import type { PartitionKeys } from '../keys.js'
import { type RedisClient, redisTime } from '../redis.js'
import { loadScript } from '../scripts.js'
import { discardLetters } from './discard.js'

const heads = loadScript('heads')

/** Letters that one call drops: about 5 ms in which Redis does nothing else. */
const CALL_LETTERS = 500
/** Near the budget, as a share of it: from here on it is announced what will happen. */
const NEAR = 0.8
/** Once announced, it is said again after this time, in ms. */
const ANNOUNCE_MS = 3_600_000

/** How much dead letters may take. */
export interface Budget {
  /** Memory in Redis, of all partitions together; each has an equal share. */
  readonly maxBytes: number
  /** Since a letter was dead-lettered for the last time, in ms. */
  readonly maxAgeMs: number
}

/** Where a partition's letters stand, as shares of the budget: 1 is all of it. */
interface Use {
  readonly bytes: number
  readonly age: number
}

/**
 * Keeps dead letters within their budget, oldest out first, by the clock of Redis, which told when they came. Nothing is
 * dropped before a warning: what is over the budget at one check goes at the next. Any number of processes may do it at
 * once.
 */
export class BudgetKeeper {
  readonly #announcedAt = new Map<string, number>()

  /** @param warn is told what will be dropped, and what has been */
  constructor(
    private readonly redis: RedisClient,
    private readonly partitions: readonly PartitionKeys[],
    private readonly budget: Budget,
    private readonly warn: (message: string) => void,
  ) {}

  /** Looks at every partition; costs three commands each while there is room. */
  async check(): Promise<void> {
    for (const keys of this.partitions) await this.#checkOne(keys)
  }

  async #checkOne(keys: PartitionKeys): Promise<void> {
    const now = await redisTime(this.redis)
    const use = await this.#useOf(keys, now)
    if (use.bytes < NEAR && use.age < NEAR) {
      this.#announcedAt.delete(keys.dead)
      return
    }
    const announcedAt = this.#announcedAt.get(keys.dead)
    if (announcedAt === undefined || Date.now() - announcedAt > ANNOUNCE_MS) {
      this.#announcedAt.set(keys.dead, Date.now())
      this.warn(announcement(keys.dead, use))
    }
    if (announcedAt !== undefined) await this.#drop(keys, use, now)
  }

  /** By memory, as Redis counts it: all of its blocks, whose letters share the names of their fields. */
  async #useOf({ dead }: PartitionKeys, now: number): Promise<Use> {
    const bytes = Number((await this.redis.call('MEMORY', 'USAGE', dead, 'SAMPLES', '0')) ?? 0)
    const oldest = (await this.#oldest(dead)) ?? now
    return { bytes: bytes / this.#share, age: (now - oldest) / this.budget.maxAgeMs }
  }

  async #oldest(dead: string): Promise<number | undefined> {
    const [first] = (await heads(this.redis, [dead], ['-', '+', 1])) as [string][]
    return first && Number.parseInt(first[0], 10)
  }

  get #share(): number {
    return this.budget.maxBytes / this.partitions.length
  }

  async #drop(keys: PartitionKeys, use: Use, now: number): Promise<void> {
    const expired = now - this.budget.maxAgeMs
    let [byAge, byBytes] = [0, 0]
    if (use.age >= 1) {
      const range = { from: '-', to: String(Math.floor(expired)), most: CALL_LETTERS }
      byAge = await untilNone(() => discardLetters(this.redis, keys, [range], OLD))
    }
    if (use.bytes > 1) {
      const length = await this.redis.xlen(keys.dead)
      // About so many are too many, but letters differ in size: in quarters hardly one goes that could stay.
      const most = Math.min(CALL_LETTERS, Math.ceil((length * (use.bytes - 1)) / use.bytes / 4))
      const range = { from: '-', to: '+', most: Math.max(1, most) }
      byBytes = await untilNone(() => discardLetters(this.redis, keys, [range], BIG, this.#share))
    }
    const dropped = byAge + byBytes
    if (dropped === 0) return
    const why = `${byAge} over DEAD_LETTER_MAX_AGE_MS, ${byBytes} over DEAD_LETTER_MAX_BYTES`
    this.warn(
      `Dropped the ${dropped} oldest dead letters of ${keys.dead}: ${why}. ${keys.discarded} names them`,
    )
  }
}

const OLD = { by: 'tributary', because: 'over budget: age' }
const BIG = { by: 'tributary', because: 'over budget: bytes' }

async function untilNone(work: () => Promise<number>): Promise<number> {
  let total = 0
  for (let count = await work(); count > 0; count = await work()) total += count
  return total
}

function announcement(dead: string, { bytes, age }: Use): string {
  const parts = [
    ...(bytes >= NEAR ? [`${Math.round(bytes * 100)} % of their share of DEAD_LETTER_MAX_BYTES`] : []),
    ...(age >= NEAR ? [`the oldest ${Math.round(age * 100)} % of DEAD_LETTER_MAX_AGE_MS`] : []),
  ]
  const remedy = 'Redrive, export or discard them, or raise the budget (tributary dead --help)'
  return `The dead letters of ${dead} have reached ${parts.join(' and ')}: over 100 % the oldest are dropped. ${remedy}`
}
