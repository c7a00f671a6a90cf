/** Maximum number of items in one call. */
export const CALL_ITEMS = 100
/** Maximum bytes of a call with several items; a larger item is sent in a call of its own. */
export const CALL_BYTES = 1_048_576
/** Maximum number of calls in flight. Further items wait, so the next call carries more: this makes items cheap. */
export const CALLS = 4

/** Why the edge does not know whether an item is kept. */
export type Failure = 'timeout' | 'unavailable'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly bytes: number
  /** When it was added, in ms of `performance.now()`. */
  readonly since: number
  readonly kept: (result: Result, index: number) => void
  readonly failed: (why: Failure) => void
  /** Whether its outcome was reported. */
  done: boolean
}

/**
 * Group commit: items added in one turn of the event loop go to Redis in one call. Each item gets its own outcome,
 * exactly once. Costs an object and two callbacks an item; the items share timer, promise and round trip.
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
   * @param timeoutMs maximum wait of an item; then it has failed, and it is never sent if it was not sent yet
   * @param onError called with the error of each failed call, once a call
   */
  constructor(
    private readonly write: (items: Item[]) => Promise<Result>,
    private readonly timeoutMs: number,
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * @param bytes size of the item
   * @param kept called when the item is durable, with the call's result and the item's index in the call
   * @param failed called when it is unknown whether the item is durable
   */
  add(
    item: Item,
    bytes: number,
    kept: (result: Result, index: number) => void,
    failed: (why: Failure) => void,
  ): void {
    this.#queue.push({ item, bytes, since: performance.now(), kept, failed, done: false })
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
    report: (waiting: Waiting<Item, Result>, index: number) => void,
  ): void {
    this.#calls.delete(call)
    this.#flush()
    call.forEach((waiting, index) => {
      if (waiting.done) return
      waiting.done = true
      report(waiting, index)
    })
  }

  /** One shared timer expires the oldest item; usually that one is done and the timer is set again. */
  #wakeIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#expire(), ms).unref()
  }

  #expire(): void {
    const due = performance.now() - this.timeoutMs
    let unsent = 0
    let oldest: number | undefined
    for (const waiting of this.#waiting()) {
      if (waiting.done) continue
      if (waiting.since > due) {
        oldest = waiting.since
        break
      }
      waiting.done = true
      waiting.failed('timeout')
    }
    while (this.#queue[unsent]?.done) unsent++
    this.#queue.splice(0, unsent)
    this.#deadline = oldest === undefined ? undefined : this.#wakeIn(Math.max(1, oldest - due))
  }

  /** Oldest first: calls end in the order in which they were sent. */
  *#waiting(): Iterable<Waiting<Item, Result>> {
    for (const call of this.#calls) yield* call
    yield* this.#queue
  }
}
