import type { PartitionKeys } from '../keys.js'
import { type RedisClient, redisTime } from '../redis.js'
import { loadScript } from '../scripts.js'
import { discardLetters } from './discard.js'

const heads = loadScript('heads')

/** Letters that one call drops; it blocks Redis for about 5 ms. */
const CALL_LETTERS = 500
/** Share of the budget above which a warning announces the drop. */
const NEAR = 0.8
/** The warning is repeated after this time, in ms. */
const ANNOUNCE_MS = 3_600_000

/** How much memory dead letters may take, and how long they are kept. */
export interface Budget {
  /** Memory in Redis over all partitions, in bytes; each partition has an equal share. */
  readonly maxBytes: number
  /** Maximum time since a letter was last dead-lettered, in ms. */
  readonly maxAgeMs: number
}

/** How much of the budget a partition's letters use, as shares: 1 is all of it. */
interface Use {
  readonly bytes: number
  readonly age: number
}

/**
 * Keeps dead letters within their budget by dropping the oldest, by Redis' clock, which also made their ids. It warns
 * before it drops: letters that are over the budget at one check are dropped at the next. Any number of processes may do
 * it at once.
 */
export class BudgetKeeper {
  readonly #announcedAt = new Map<string, number>()

  /** @param warn called with what will be dropped, and what was dropped */
  constructor(
    private readonly redis: RedisClient,
    private readonly partitions: readonly PartitionKeys[],
    private readonly budget: Budget,
    private readonly warn: (message: string) => void,
  ) {}

  /** Checks every partition; costs three commands each while they are within the budget. */
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

  /** Measures memory as Redis counts it: whole blocks, in which letters share their field names. */
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
      byAge = await repeatUntilNone(() => discardLetters(this.redis, keys, [range], OLD))
    }
    if (use.bytes > 1) {
      const length = await this.redis.xlen(keys.dead)
      // Drops a quarter of the estimated excess at a time: letters differ in size, so the estimate may be too high.
      const most = Math.min(CALL_LETTERS, Math.ceil((length * (use.bytes - 1)) / use.bytes / 4))
      const range = { from: '-', to: '+', most: Math.max(1, most) }
      byBytes = await repeatUntilNone(() => discardLetters(this.redis, keys, [range], BIG, this.#share))
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

async function repeatUntilNone(work: () => Promise<number>): Promise<number> {
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
