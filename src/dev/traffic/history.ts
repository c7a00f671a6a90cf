import { formatTimestamp } from '../../state/timestamp.js'
import type { Random } from './random.js'

const MINUTE = 60_000_000

/** Microseconds since 1970; later at every call, so that no two events of a key share a timestamp. */
export type Clock = () => number

/** @param millis the time in milliseconds since 1970, which may stand still or go back */
export function risingClock(millis: () => number): Clock {
  let last = 0
  return () => {
    last = Math.max(last + 1, Math.floor(millis() * 1_000))
    return last
  }
}

/** The keys of one entity, and when each of them was last spoken of. */
export class History {
  readonly #last = new Map<string, number>()
  readonly #random: Random
  readonly #clock: Clock
  readonly #keys: readonly string[]

  /** @param prefix what the keys begin with; of one entity in one run */
  constructor(random: Random, clock: Clock, prefix: string, size: number) {
    this.#random = random
    this.#clock = clock
    this.#keys = Array.from({ length: size }, (_, i) => `${prefix}-${String(i + 1).padStart(4, '0')}`)
  }

  /** Any key. */
  key(): string {
    return this.#random.pick(this.#keys)
  }

  /** Some different keys. */
  some(count: number): string[] {
    return this.#random.some(this.#keys, count)
  }

  /** A key that has been spoken of; `undefined` as long as there is none. */
  known(): string | undefined {
    return this.#last.size > 0 ? this.#random.pick([...this.#last.keys()]) : undefined
  }

  /** The timestamp of the next event of a key. */
  stamp(key: string): string {
    const now = this.#clock()
    this.#last.set(key, now)
    return formatTimestamp(now)
  }

  /** Of an event that happened 1 to 30 minutes before the newest one of its key, and is told of only now. */
  lateStamp(key: string): string {
    const last = this.#last.get(key) ?? this.#clock()
    return formatTimestamp(last - this.#random.between(MINUTE, 30 * MINUTE))
  }

  /** An hour ahead: what a sender with a wrong clock writes. */
  futureStamp(): string {
    return formatTimestamp(this.#clock() + 60 * MINUTE)
  }
}
