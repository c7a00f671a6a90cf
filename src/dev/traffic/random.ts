/** Repeatable random numbers: the same seed makes the same sequence (mulberry32). Not for secrets. */
export class Random {
  #state: number

  /** @param seed any integer; only its lower 32 bits are used */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number from 0 up to, but not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** True with the probability `share`, 0 to 1. */
  chance(share: number): boolean {
    return this.next() < share
  }

  /** A random element. @throws RangeError where the list is empty */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('There is nothing to pick from')
    return list[this.between(0, list.length - 1)] as T
  }

  /** `count` different elements, or all where the list has fewer, in random order. */
  some<T>(list: readonly T[], count: number): T[] {
    const rest = [...list]
    const size = Math.min(count, rest.length)
    return Array.from({ length: size }, () => rest.splice(this.between(0, rest.length - 1), 1)).flat()
  }
}
