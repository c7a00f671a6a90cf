/** From this share of a limit on, requests are refused: none at first, all at the limit itself. */
export const LOW_MARK = 0.9

/** Something that must not grow over its limit, and grows with what is admitted. */
export interface Limit {
  /** The variable that sets it. */
  readonly variable: 'BACKLOG_MAX_BYTES' | 'BACKLOG_MAX_AGE_MS' | 'REDIS_RESERVE_PERCENT'
  /** How much there is, in bytes. */
  readonly used: number
  /** How much there may be, in bytes; more than 0. */
  readonly most: number
}

/** How things stood at a reading. */
export interface Reading {
  readonly limits: readonly Limit[]
  /** The oldest waiting entry's age as a share of what it may be; 0 where it may be any. */
  readonly age: number
}

const NO_LIMIT: Reading = { limits: [], age: 0 }

/**
 * Which requests may come in. Between {@link LOW_MARK} and a limit a share of them may, which falls in a straight
 * line: so the inflow settles where it is as fast as the drain rate, and does not swing between all and none.
 * What is admitted counts against the limits at once; what has gone out is known at the next reading.
 * Costs a request one comparison while nothing is near its limit, and less than 1 us where something is.
 */
export class Admission {
  #reading = NO_LIMIT
  /** Bytes that may still come before anything reaches its low mark. */
  #clear = Number.POSITIVE_INFINITY
  #taken = 0
  /** Shares that have added up; a request costs 1. So every n-th is admitted, as evenly as can be. */
  #credit = 0

  /** Whether the next request may come in. */
  admits(): boolean {
    if (this.#taken < this.#clear) return true
    this.#credit += this.share
    if (this.#credit < 1) return false
    this.#credit -= 1
    return true
  }

  /** Counts the body of a request that goes into the log. */
  take(bytes: number): void {
    this.#taken += bytes
  }

  /** Bytes that were taken since the last reading. */
  get taken(): number {
    return this.#taken
  }

  /** The share of requests that may come in now: 1 all, 0 none. */
  get share(): number {
    return shareOf(this.#reading, this.#taken)
  }

  /**
   * Goes by a new reading.
   * @param taken what {@link taken} was when the reading began: the reading has it
   */
  update(reading: Reading, taken: number): void {
    this.#reading = reading
    this.#taken -= taken
    const clear = reading.limits.map(({ used, most }) => most * LOW_MARK - used)
    this.#clear = reading.age > LOW_MARK ? Number.NEGATIVE_INFINITY : Math.min(...clear)
  }

  /** Admits everything until the next reading. */
  open(): void {
    this.update(NO_LIMIT, this.#taken)
  }
}

/** The share of requests to admit. @param taken bytes that were taken since the reading */
export function shareOf({ limits, age }: Reading, taken: number): number {
  const shares = limits.map(({ used, most }) => shareAt((used + taken) / most))
  return Math.min(shareAt(age), ...shares)
}

function shareAt(use: number): number {
  return Math.min(1, Math.max(0, (1 - use) / (1 - LOW_MARK)))
}
