/** Batches on their way to a store, so many at a time. */
export class BoundedConcurrency {
  readonly #under = new Set<Promise<void>>()
  readonly #failed = new AbortController()

  /** @param most at a time */
  constructor(private readonly most: number) {}

  /** Aborted when a batch has failed, with what it has failed with. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /**
   * Starts work on a batch as soon as it may, without waiting for its end.
   * @throws what an earlier batch has failed with
   */
  async start(work: () => Promise<void>): Promise<void> {
    await this.#until(() => this.#under.size < this.most)
    this.failed.throwIfAborted()
    const flight: Promise<void> = work()
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => this.#under.delete(flight))
    this.#under.add(flight)
  }

  /** Waits until nothing is under way. @throws as {@link start}, whatever else is under way then */
  async idle(): Promise<void> {
    await this.#until(() => this.#under.size === 0)
    this.failed.throwIfAborted()
  }

  async #until(enough: () => boolean): Promise<void> {
    while (!enough() && !this.failed.aborted) await Promise.race(this.#under)
  }
}
