/**
 * Batches on their way to a store: so many at a time, and never two that are about the same thing, for the one would
 * wait for the other in the store, or have to read again what it has written.
 */
export class Flights {
  readonly #under = new Map<Promise<void>, ReadonlySet<string>>()
  #failure: { readonly error: unknown } | undefined

  /** @param most at a time */
  constructor(private readonly most: number) {}

  /**
   * Starts work on a batch as soon as it may, without waiting for its end.
   * @param keys what it is about
   * @throws what an earlier batch has failed with
   */
  async start(keys: ReadonlySet<string>, work: () => Promise<void>): Promise<void> {
    for (let rival = this.#rivalOf(keys); rival; rival = this.#rivalOf(keys)) await rival
    this.#throwFailure()
    const flight: Promise<void> = work()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#under.delete(flight))
    this.#under.set(flight, keys)
  }

  /** Waits until nothing is under way. @throws as {@link start} */
  async landed(): Promise<void> {
    await Promise.all(this.#under.keys())
    this.#throwFailure()
  }

  /** What has to end first. */
  #rivalOf(keys: ReadonlySet<string>): Promise<unknown> | undefined {
    if (this.#under.size >= this.most) return Promise.race(this.#under.keys())
    for (const [flight, others] of this.#under) if (overlap(keys, others)) return flight
    return undefined
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }
}

function overlap(keys: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const key of keys) if (others.has(key)) return true
  return false
}
