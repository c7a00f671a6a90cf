import { isSuspicious } from '../errors.js'
import { byPlace } from './parts.js'
import type { Comparison } from './sink.js'

/** Most suspects that are remembered; the oldest is forgotten first, which only delays the verdict. */
const MOST_REMEMBERED = 10_000
/** Most items that are postponed while nothing shows that the store takes writes. */
const MOST_POSTPONED = 1_000
/** A suspect that has not come again after this time, in ms, was written or rejected by another worker. */
const FORGET_MS = 3_600_000

/** After this time, in ms, a suspect that has not come again no longer makes its place count as blocked. */
const AWAY_MS = 300_000

/** A suspect's first failure. */
interface Memory {
  readonly code: string
  readonly place: string
  /** By the clock of {@link Evidence}. */
  readonly failedAt: number
  /** In ms of `performance.now()`. */
  readonly seenAt: number
}

/**
 * What a worker knows of its store while some items fail there: which places have taken a write, and when, and which
 * items were postponed. Its times are numbers that grow: only their order matters.
 */
export class Evidence<Item> {
  #time = 0
  /** For each place, when the last successful write of something new there began. */
  readonly #written = new Map<string, number>()
  /** By identity, oldest first. */
  readonly #suspects = new Map<string, Memory>()

  constructor(readonly comparison: Comparison<Item>) {}

  /** The next point in time. */
  tick(): number {
    return ++this.#time
  }

  /** Whether any postponed item waits for its verdict. */
  get hasSuspects(): boolean {
    this.#forgetOld()
    return this.#suspects.size > 0
  }

  /** Whether items may be postponed while nothing shows that the store takes writes. */
  get hasRoom(): boolean {
    return this.#suspects.size < MOST_POSTPONED
  }

  /** Whether some place has taken nothing new since an item for it was postponed. */
  get hasBlockedPlace(): boolean {
    for (const { place, failedAt, seenAt } of this.#suspects.values()) {
      if (this.writtenAt(place) < failedAt && performance.now() - seenAt < AWAY_MS) return true
    }
    return false
  }

  /**
   * As {@link Comparison.newsAmong}, for items of any places; a place that cannot be read has no news.
   * @throws TransientError where the store cannot be asked now · the signal's reason, once it is aborted
   */
  async newsAmong(items: readonly Item[], signal: AbortSignal): Promise<ReadonlySet<Item>> {
    const news = new Set<Item>()
    for (const some of byPlace(items, this.comparison)) {
      try {
        for (const item of await this.comparison.newsAmong(some, signal)) news.add(item)
      } catch (error) {
        if (!isSuspicious(error)) throw error
      }
    }
    return news
  }

  /** Notes items that were new to the store and are written. @param begunAt when that write began */
  note(items: Iterable<Item>, begunAt: number): void {
    for (const item of items) this.#written.set(this.comparison.placeOf(item), begunAt)
  }

  /** When the last successful write of something new to a place began; 0 for never. */
  writtenAt(place: string): number {
    return this.#written.get(place) ?? 0
  }

  /** Whether something new was written, to any place, by a write that began after `time`. */
  isWrittenAfter(time: number): boolean {
    for (const at of this.#written.values()) if (at > time) return true
    return false
  }

  /** Whether this item was postponed in an earlier delivery. */
  knows(item: Item): boolean {
    return this.#suspects.has(this.comparison.identityOf(item))
  }

  /** When this item first failed with this code in an earlier delivery. */
  recall(item: Item, code: string): number | undefined {
    if (!this.hasSuspects) return undefined
    const memory = this.#suspects.get(this.comparison.identityOf(item))
    return memory?.code === code ? memory.failedAt : undefined
  }

  /** Remembers an item that fails alone and is postponed. */
  remember(item: Item, code: string, at: number): void {
    const failedAt = this.recall(item, code) ?? at
    const { comparison } = this
    const identity = comparison.identityOf(item)
    const seenAt = performance.now()
    this.#suspects.delete(identity)
    this.#suspects.set(identity, { code, place: comparison.placeOf(item), failedAt, seenAt })
    this.#forgetOld()
  }

  #forgetOld(): void {
    if (this.#suspects.size === 0) return
    const now = performance.now()
    for (const [oldest, { seenAt }] of this.#suspects) {
      if (this.#suspects.size <= MOST_REMEMBERED && now - seenAt < FORGET_MS) break
      this.#suspects.delete(oldest)
    }
  }

  /** Forgets items that are written, or rejected. */
  forget(items: Iterable<Item>): void {
    if (!this.hasSuspects) return
    for (const item of items) this.#suspects.delete(this.comparison.identityOf(item))
  }
}
