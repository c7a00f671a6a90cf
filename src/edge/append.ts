/** Most items that one call carries. */
export const CALL_ITEMS = 100
/** A call carries no further item over this; a larger one travels alone. */
export const CALL_BYTES = 1_048_576
/** Calls under way at once. More waits, and makes the next calls larger: that is what they are cheap by. */
export const CALLS = 4

/** Why it is not known that an item is kept. */
export type Failure = 'timeout' | 'unavailable'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly bytes: number
  /** When it came, in ms of `performance.now()`. */
  readonly since: number
  readonly kept: (result: Result, index: number) => void
  readonly failed: (why: Failure) => void
  settled: boolean
}

/**
 * Group commit: what comes in one turn of the event loop goes to Redis in one call, and each item hears of its
 * own outcome, exactly once. Costs an object and two callbacks an item; timer, promise and round trip are shared.
 */
export class GroupCommit<Item, Result> {
  /** Not sent yet, oldest first. */
  readonly #queue: Waiting<Item, Result>[] = []
  /** Sent, oldest first. */
  readonly #calls = new Set<readonly Waiting<Item, Result>[]>()
  #scheduled = false
  #deadline: NodeJS.Timeout | undefined

  /**
   * @param write keeps items durably, in order
   * @param timeoutMs how long an item may wait; after it, it has failed, and if it is not sent yet it never is
   * @param onError is told why a call failed, once a call
   */
  constructor(
    private readonly write: (items: Item[]) => Promise<Result>,
    private readonly timeoutMs: number,
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * @param bytes size of the item
   * @param kept it is durable: the call's result, and the item's index in the call
   * @param failed it may be durable or not: nobody knows
   */
  add(
    item: Item,
    bytes: number,
    kept: (result: Result, index: number) => void,
    failed: (why: Failure) => void,
  ): void {
    this.#queue.push({ item, bytes, since: performance.now(), kept, failed, settled: false })
    this.#deadline ??= this.#wakeIn(this.timeoutMs)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#calls.size < CALLS) this.#send(this.#take())
  }

  #take(): Waiting<Item, Result>[] {
    let bytes = 0
    let count = 0
    for (const waiting of this.#queue) {
      bytes += waiting.bytes
      if (count === CALL_ITEMS || (count > 0 && bytes > CALL_BYTES)) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  #send(call: readonly Waiting<Item, Result>[]): void {
    this.#calls.add(call)
    this.write(call.map(({ item }) => item)).then(
      (result) => this.#end(call, (waiting, index) => waiting.kept(result, index)),
      (error: unknown) => {
        this.onError(error)
        this.#end(call, (waiting) => waiting.failed('unavailable'))
      },
    )
  }

  #end(
    call: readonly Waiting<Item, Result>[],
    tell: (waiting: Waiting<Item, Result>, index: number) => void,
  ): void {
    this.#calls.delete(call)
    this.#flush()
    call.forEach((waiting, index) => {
      if (waiting.settled) return
      waiting.settled = true
      tell(waiting, index)
    })
  }

  /** One timer for all: it looks after the oldest item, and finds mostly that newer ones have taken its place. */
  #wakeIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#expire(), ms).unref()
  }

  #expire(): void {
    const due = performance.now() - this.timeoutMs
    let unsent = 0
    let oldest: number | undefined
    for (const waiting of this.#waiting()) {
      if (waiting.settled) continue
      if (waiting.since > due) {
        oldest = waiting.since
        break
      }
      waiting.settled = true
      waiting.failed('timeout')
    }
    while (this.#queue[unsent]?.settled) unsent++
    this.#queue.splice(0, unsent)
    this.#deadline = oldest === undefined ? undefined : this.#wakeIn(Math.max(1, oldest - due))
  }

  /** Oldest first, as calls end in the order in which they were sent. */
  *#waiting(): Iterable<Waiting<Item, Result>> {
    for (const call of this.#calls) yield* call
    yield* this.#queue
  }
}
