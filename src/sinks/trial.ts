import { BatchError, isSuspicious, type RejectedError, type TransientError } from '../errors.js'
import type { Report } from '../telemetry/command.js'
import type { Evidence } from './evidence.js'
import { PartTime } from './part-time.js'
import { divide, type Failure, type Part, reserveOf } from './parts.js'
import type { Sink } from './sink.js'

/** Failures in a row, while nothing is written, after which a trial pauses: it may be an outage. */
const MOST_FRUITLESS = 32
/** Time of such failures, and of second attempts with suspects, in ms. */
const ROUND_MS = 1_000
/** Age of a trial, in ms, from which on it postpones suspects, even where nothing else is written. */
const OLD_MS = 1_000

/** An item that has failed alone. */
interface Suspect<Item> {
  readonly first: Failure<Item>
  /** Of the last attempt. */
  readonly error: TransientError
}

/** One call of {@link Trial.run}. */
interface Round {
  readonly signal: AbortSignal
  readonly report: Report | undefined
  readonly onWritten: () => void
  readonly startedMs: number
  /** Failures since something was written. */
  fruitless: number
}

/** How a trial began. */
export interface Start<Item> {
  readonly items: readonly Item[]
  /** Of the last attempt to write all items at once; `undefined` where there was none. */
  readonly error?: TransientError | undefined
  /** When the first attempt began, in ms of `performance.now()`. */
  readonly startedMs: number
}

/**
 * Finds the items that are the cause of a batch's transient failure. It divides the batch, writes what can be written,
 * and rejects an item that failed, and failed again alone with the same code, if between the two failures something
 * new was written to the same place. So one outage, whenever it begins and ends, makes no dead letter. Suspects of
 * which nothing is proven are postponed.
 */
export class Trial<Item> {
  readonly #sink: Sink<Item>
  readonly #evidence: Evidence<Item>
  readonly #start: Start<Item>
  readonly #begunAt: number
  /** First in, first out, so that the larger parts come first, and with them most of the innocent. */
  readonly #parts: Part<Item>[] = []
  /** Written after all parts. */
  readonly #reserve: Part<Item>[] = []
  readonly #suspects = new Map<Item, Suspect<Item>>()
  readonly #rejected = new Map<Item, RejectedError>()
  readonly #written = new Set<Item>()
  #news: Set<Item> | undefined
  readonly #time = new PartTime()

  constructor(sink: Sink<Item>, evidence: Evidence<Item>, start: Start<Item>) {
    this.#sink = sink
    this.#evidence = evidence
    this.#start = start
    this.#begunAt = evidence.tick()
  }

  /**
   * Goes on until every item is written, rejected or a suspect.
   * @param onWritten called when something is written: the store takes writes
   * @throws BatchError<Item> with what is rejected and postponed · TransientError where the store, as far as is known,
   * takes nothing now: call it again after a pause · the signal's reason
   */
  async run(signal: AbortSignal, report: Report | undefined, onWritten: () => void): Promise<void> {
    await this.#sink.ping(signal)
    if (this.#news === undefined) {
      this.#news = new Set(await this.#evidence.newsAmong(this.#start.items, signal))
      this.#begin(this.#start, this.#news)
    }
    const round: Round = { signal, report, onWritten, startedMs: performance.now(), fruitless: 0 }
    for (let part = this.#next(); part !== undefined; part = this.#next()) {
      await this.#attempt(part, round)
    }
    const begunMs = performance.now()
    for (const [item, { first, error }] of [...this.#suspects]) {
      const isLate = performance.now() - begunMs > ROUND_MS
      if (isLate || this.#isHopeless(first, error)) continue
      await this.#attempt({ items: [item], whole: first.whole }, round)
    }
    this.#conclude()
  }

  #next(): Part<Item> | undefined {
    return this.#parts.shift() ?? this.#reserve.pop()
  }

  /** Makes the first parts. A few items that are news are written last: they prove what the others are suspected of. */
  #begin({ items, error }: Start<Item>, news: ReadonlySet<Item>): void {
    const { comparison } = this.#evidence
    const part = { items, whole: undefined }
    if (error === undefined || items.length === 1) {
      if (error) this.#accuse(part, error, 0)
      else this.#parts.push(part)
      return
    }
    const whole = { ...part, code: error.suspicion?.code ?? '', at: this.#begunAt }
    const last = new Set(reserveOf(items, news, comparison))
    for (const item of last) this.#reserve.push({ items: [item], whole })
    const others = items.filter((item) => !last.has(item))
    this.#push(divide(others, comparison), whole)
  }

  /** Whether a second attempt with a suspect would prove nothing. */
  #isHopeless(first: Failure<Item>, { suspicion }: TransientError): boolean {
    if (suspicion?.refusal === undefined) return this.#mayPostpone()
    return this.#isOldWithRoom() && !this.#evidence.isWrittenAfter(first.at)
  }

  async #attempt(part: Part<Item>, round: Round): Promise<void> {
    const { comparison } = this.#evidence
    const [item] = part.items
    // Asked for before: what ends while the item fails may have been written after its failure.
    const provenAt = item === undefined ? 0 : this.#evidence.writtenAt(comparison.placeOf(item))
    const begunMs = performance.now()
    try {
      await this.#write(part, round)
    } catch (error) {
      this.#time.spend(performance.now() - begunMs)
      // Rewriting what was written after all would prove nothing.
      if (!comparison.isAtomic || !isSuspicious(error)) for (const one of part.items) this.#news?.delete(one)
      if (!isSuspicious(error)) {
        this.#parts.unshift(part)
        throw error
      }
      this.#accuse(part, error, provenAt)
      this.#pauseIfFruitless(round, error)
    }
  }

  /** @throws the error, where nothing has been written for long, and parts are left */
  #pauseIfFruitless(round: Round, error: TransientError): void {
    if (this.#evidence.isWrittenAfter(this.#begunAt)) return
    round.fruitless++
    if (round.fruitless < MOST_FRUITLESS && performance.now() - round.startedMs < ROUND_MS) return
    this.#time.grow(performance.now() - this.#start.startedMs)
    if (this.#parts.length + this.#reserve.length > 0) throw error
  }

  async #write({ items, whole }: Part<Item>, { signal, report, onWritten }: Round): Promise<void> {
    const limitMs = this.#time.limitMs(items.length / this.#start.items.length)
    const begunAt = this.#evidence.tick()
    let rejected: ReadonlyMap<Item, RejectedError> = new Map()
    try {
      await this.#sink.write(items, signal, report, this.#isJudged(items, whole) ? undefined : limitMs)
    } catch (error) {
      if (!(error instanceof BatchError)) throw error
      rejected = (error as BatchError<Item>).rejected
    }
    for (const [item, refusal] of rejected) this.#rejected.set(item, refusal)
    const written = items.filter((item) => !rejected.has(item))
    for (const item of written) this.#written.add(item)
    for (const item of items) this.#suspects.delete(item)
    const news = written.filter((item) => this.#news?.has(item))
    this.#evidence.note(news, begunAt)
    this.#evidence.forget(items)
    onWritten()
  }

  /** Whether the part is one item that has failed alone before, or that came alone: it gets the store's full time. */
  #isJudged(items: readonly Item[], whole: Failure<Item> | undefined): boolean {
    return items.length === 1 && (whole === undefined || items.some((item) => this.#suspects.has(item)))
  }

  /** Divides a part that failed, or makes a suspect of its only item, or rejects it. */
  #accuse({ items, whole }: Part<Item>, error: TransientError, provenAt: number): void {
    const { code = '', refusal } = error.suspicion ?? {}
    const failure = { items, whole, code, at: this.#evidence.tick() }
    const [item, ...others] = items
    if (item === undefined) return
    if (others.length === 0) {
      const known = this.#suspects.get(item)?.first
      const first = known?.code === code ? known : failure
      const isJudged = refusal !== undefined && this.#isJudged(items, whole)
      if (!isJudged || !this.#isProven(item, first, code, provenAt)) {
        this.#suspects.set(item, { first, error })
        return
      }
      this.#suspects.delete(item)
      this.#rejected.set(item, refusal)
      this.#evidence.forget([item])
      return
    }
    this.#push(divide(items, this.#evidence.comparison), failure)
  }

  #push(parts: readonly (readonly Item[])[], whole: Failure<Item>): void {
    for (const items of parts) this.#parts.push({ items, whole })
  }

  /**
   * Whether an earlier failure with this code was the item's too, and something new was written to its place since.
   * @param provenAt when the last such write began that had ended before the item failed now
   */
  #isProven(item: Item, first: Failure<Item>, code: string, provenAt: number): boolean {
    const earlier = this.#evidence.recall(item, code)
    if (earlier !== undefined && provenAt > earlier) return true
    // The failure of a whole was this item's, once all others of the whole are written.
    for (let one: Failure<Item> | undefined = first; one !== undefined; one = one.whole) {
      if (one.code !== code || !one.items.every((other) => other === item || this.#written.has(other))) break
      if (provenAt > one.at) return true
    }
    return false
  }

  #isOldWithRoom(): boolean {
    return performance.now() - this.#start.startedMs > OLD_MS && this.#evidence.hasRoom
  }

  #mayPostpone(): boolean {
    return this.#evidence.isWrittenAfter(this.#begunAt) || this.#isOldWithRoom()
  }

  /** Ends the trial, unless nothing shows that the store takes any writes. */
  #conclude(): void {
    const evidence = this.#evidence
    const [any] = this.#suspects.values()
    const isKnown = ([item, { first }]: [Item, Suspect<Item>]) =>
      evidence.recall(item, first.code) !== undefined
    if (any !== undefined && !this.#mayPostpone() && ![...this.#suspects].every(isKnown)) throw any.error
    for (const [item, { first }] of this.#suspects) evidence.remember(item, first.code, first.at)
    if (this.#rejected.size + this.#suspects.size > 0) {
      throw new BatchError(
        this.#rejected,
        new Map(Array.from(this.#suspects, ([item, { error }]) => [item, error])),
      )
    }
  }
}
