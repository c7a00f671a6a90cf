import { formatTimestamp } from '../../state/timestamp.js'
import type { Random } from './random.js'

const MINUTE = 60_000_000

/** Gives microseconds since 1970, more at each call, so that no two events of a key have the same timestamp. */
export type Clock = () => number

/** Makes a clock that always rises. @param millis the time in milliseconds since 1970; it may stand still or go back */
export function risingClock(millis: () => number): Clock {
  let last = 0
  return () => {
    last = Math.max(last + 1, Math.floor(millis() * 1_000))
    return last
  }
}

/** The keys of one entity, and the timestamp of each key's newest event. */
export class History {
  readonly #last = new Map<string, number>()
  readonly #random: Random
  readonly #clock: Clock
  readonly #keys: readonly string[]

  /** @param prefix start of the keys, the same for one entity in one run @param size number of keys */
  constructor(random: Random, clock: Clock, prefix: string, size: number) {
    this.#random = random
    this.#clock = clock
    this.#keys = Array.from({ length: size }, (_, i) => `${prefix}-${String(i + 1).padStart(4, '0')}`)
  }

  /** A random key. */
  key(): string {
    return this.#random.pick(this.#keys)
  }

  /** `count` different keys, chosen at random. */
  some(count: number): string[] {
    return this.#random.some(this.#keys, count)
  }

  /** A random key that has had an event; `undefined` while there is none. */
  known(): string | undefined {
    return this.#last.size > 0 ? this.#random.pick([...this.#last.keys()]) : undefined
  }

  /** A timestamp for the next event of a key. */
  stamp(key: string): string {
    const now = this.#clock()
    this.#last.set(key, now)
    return formatTimestamp(now)
  }

  /** A timestamp for a late event, 1 to 30 minutes before the newest event of its key. */
  lateStamp(key: string): string {
    const last = this.#last.get(key) ?? this.#clock()
    return formatTimestamp(last - this.#random.between(MINUTE, 30 * MINUTE))
  }

  /** A timestamp one hour ahead, as a sender with a wrong clock writes it. */
  futureStamp(): string {
    return formatTimestamp(this.#clock() + 60 * MINUTE)
  }
}
