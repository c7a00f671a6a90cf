/** Kept bits of a duration: a bucket is at most 0.8 % wide. */
const BITS = 7
/** Up to this duration, in us, each microsecond has its own bucket. */
const EXACT = 2 ** (BITS + 1)
/** Longest duration with a bucket of its own: about half an hour, in us; longer ones share it. */
const LONGEST = 2 ** 31 - 1
const BUCKETS = bucketOf(LONGEST) + 1

/**
 * Counts durations in buckets that grow with the duration, as HdrHistogram does: a quantile is at most 0.8 % too
 * high, for any number of durations. Costs about 10 ns a duration and 14 kB.
 */
export class Durations {
  readonly #counts: Uint32Array
  #count = 0

  /** @param counts the {@link counts} of another instance; default: none */
  constructor(counts: Iterable<number> = []) {
    this.#counts = new Uint32Array(BUCKETS)
    let bucket = 0
    for (const count of counts) this.#put(bucket++, count)
  }

  get count(): number {
    return this.#count
  }

  /** The counts, bucket by bucket; another process can rebuild this instance from them. */
  get counts(): Iterable<number> {
    return this.#counts
  }

  /** @param ms a duration in milliseconds; below 0 it counts as 0 */
  record(ms: number): void {
    this.#put(bucketOf(Math.min(LONGEST, Math.max(0, Math.round(ms * 1_000)))), 1)
  }

  add(other: Durations): void {
    let bucket = 0
    for (const count of other.counts) this.#put(bucket++, count)
  }

  clear(): void {
    this.#counts.fill(0)
    this.#count = 0
  }

  /**
   * @param share 0 to 1: 0.99 is the 99th percentile
   * @returns milliseconds; `undefined` where there is no duration
   */
  quantile(share: number): number | undefined {
    if (this.#count === 0) return undefined
    let left = Math.min(this.#count, Math.max(1, Math.ceil(share * this.#count)))
    const bucket = this.#counts.findIndex((count) => {
      left -= count
      return left <= 0
    })
    return lastOf(bucket) / 1_000
  }

  #put(bucket: number, count: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count
    this.#count += count
  }
}

/** @param us whole microseconds, up to {@link LONGEST} */
function bucketOf(us: number): number {
  if (us < EXACT) return us
  const shift = 31 - Math.clz32(us) - BITS
  return (shift << BITS) + (us >>> shift)
}

/** The longest duration of a bucket, in us. */
function lastOf(bucket: number): number {
  if (bucket < EXACT) return bucket
  const shift = (bucket >>> BITS) - 1
  return ((bucket & (2 ** BITS - 1)) + 2 ** BITS + 1) * 2 ** shift - 1
}

/** The last minute: the number of parts, and the length of a part in ms; the oldest part is dropped as a whole. */
const [PARTS, PART_MS] = [6, 10_000]

/** Quantiles as in JSON, in ms; `undefined` where there is no duration. */
export interface Quantiles {
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly p999: number | undefined
}

/** Durations of the last minute. */
export class RecentDurations {
  readonly #parts = Array.from({ length: PARTS }, () => new Durations())
  #turn = 0

  /**
   * @param ms as in {@link Durations.record}
   * @param now in ms of `performance.now()`
   */
  record(ms: number, now = performance.now()): void {
    this.#advance(now)
    this.#parts[this.#turn % PARTS]?.record(ms)
  }

  quantiles(now = performance.now()): Quantiles {
    this.#advance(now)
    const all = new Durations()
    for (const part of this.#parts) all.add(part)
    return { p50: all.quantile(0.5), p99: all.quantile(0.99), p999: all.quantile(0.999) }
  }

  #advance(now: number): void {
    const turn = Math.floor(now / PART_MS)
    if (turn === this.#turn) return
    const passed = Math.min(PARTS, turn - this.#turn)
    for (let i = 0; i < passed; i++) this.#parts[(turn - i) % PARTS]?.clear()
    this.#turn = turn
  }
}
