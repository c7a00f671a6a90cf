/** The edge starts to refuse requests at this share of a limit: none yet at the mark, all at the limit. */
export const LOW_MARK = 0.9

/** A quantity with an upper limit; admitted requests make it grow. */
export interface Limit {
  /** The variable that sets it. */
  readonly variable: 'BACKLOG_MAX_BYTES' | 'BACKLOG_MAX_AGE_MS' | 'REDIS_RESERVE_PERCENT'
  /** The current value, in bytes. */
  readonly used: number
  /** The limit, in bytes; more than 0. */
  readonly most: number
}

/** The state of all limits at one reading. */
export interface Reading {
  readonly limits: readonly Limit[]
  /** Age of the oldest waiting entry as a share of the allowed age; 0 where no age is set. */
  readonly age: number
}

const NO_LIMIT: Reading = { limits: [], age: 0 }

/**
 * Decides which requests are admitted. Between {@link LOW_MARK} and a limit the admitted share falls in a straight
 * line, so the inflow meets the drain rate and does not swing between all and none.
 * Admitted bytes count against the limits at once; drained bytes count from the next reading.
 * Costs a request one comparison while nothing is near its limit, and less than 1 us otherwise.
 */
export class Admission {
  #reading = NO_LIMIT
  /** Bytes that can still be admitted before the first limit reaches its low mark. */
  #clear = Number.POSITIVE_INFINITY
  #taken = 0
  /** The sum of the shares so far; an admitted request costs 1. This spreads admitted requests evenly. */
  #credit = 0

  /** Whether the edge admits the next request. */
  admits(): boolean {
    if (this.#taken < this.#clear) return true
    this.#credit += this.share
    if (this.#credit < 1) return false
    this.#credit -= 1
    return true
  }

  /** Counts the body of a request that is appended to the log. */
  take(bytes: number): void {
    this.#taken += bytes
  }

  /** Bytes counted since the last reading. */
  get taken(): number {
    return this.#taken
  }

  /** The share of requests that are admitted now: 1 all, 0 none. */
  get share(): number {
    return shareOf(this.#reading, this.#taken)
  }

  /**
   * Applies a new reading.
   * @param taken value of {@link taken} when the reading began; the reading includes these bytes
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

/** The share of requests to admit. @param taken bytes counted since the reading */
export function shareOf({ limits, age }: Reading, taken: number): number {
  const shares = limits.map(({ used, most }) => shareAt((used + taken) / most))
  return Math.min(shareAt(age), ...shares)
}

function shareAt(use: number): number {
  return Math.min(1, Math.max(0, (1 - use) / (1 - LOW_MARK)))
}
