import { setTimeout as sleep } from 'node:timers/promises'
import type { Backoff } from '../retry.js'

/** Waits. @throws the signal's reason once it is aborted */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  signal.throwIfAborted()
}

/** Pauses between attempts that CXone gives no time for. */
export const CXONE_BACKOFF: Backoff = { initialMs: 500, maxMs: 30_000 }

/**
 * A pause with "full jitter": from 0 up to a bound that doubles with every attempt.
 * @param attempt attempts made so far, from 1
 * @returns milliseconds
 */
export function fullJitterMs(
  attempt: number,
  { initialMs, maxMs } = CXONE_BACKOFF,
  random = Math.random,
): number {
  return random() * Math.min(maxMs, initialMs * 2 ** Math.min(attempt - 1, 30))
}

/** Where a {@link Pace} gets its time from. */
export interface Clock {
  /** In ms, monotonic. */
  now(): number
  pause(ms: number, signal: AbortSignal): Promise<void>
}

/** The clock of this machine. */
export const CLOCK: Clock = { now: () => performance.now(), pause }

/** Spaces the requests of a process evenly, and holds all of them while CXone wants to be left alone. */
export class Pace {
  readonly #gapMs: number
  /** When the next request may start. */
  #next = Number.NEGATIVE_INFINITY
  #heldUntil = Number.NEGATIVE_INFINITY

  /** @param rate most requests per second */
  constructor(
    rate: number,
    private readonly clock: Clock = CLOCK,
  ) {
    this.#gapMs = 1_000 / rate
  }

  /** Waits until one more request may start. @throws the signal's reason once it is aborted */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    for (let slot = this.#take(); ; ) {
      const now = this.clock.now()
      // Held since the slot was taken: all that wait get new slots, so that they do not start together.
      if (this.#heldUntil > Math.max(slot, now)) slot = this.#take()
      if (slot <= now) return
      await this.clock.pause(slot - now, signal)
    }
  }

  /** Waits until requests are held no more, without taking a turn: for the token, which all others wait for. */
  async released(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    for (let left = 0; ; await this.clock.pause(left, signal)) {
      left = this.#heldUntil - this.clock.now()
      if (left <= 0) return
    }
  }

  /** Starts no request for this time. */
  hold(ms: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, this.clock.now() + ms)
    this.#next = Math.max(this.#next, this.#heldUntil)
  }

  #take(): number {
    const slot = Math.max(this.#next, this.clock.now())
    this.#next = slot + this.#gapMs
    return slot
  }
}
