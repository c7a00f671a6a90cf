/** Limits how many batches are in flight to a store at a time. */
export class BoundedConcurrency {
  readonly #inFlight = new Set<Promise<void>>()
  readonly #failed = new AbortController()

  /** @param most maximum number at a time */
  constructor(private readonly most: number) {}

  /** Aborted when a batch has failed, with its error as the reason. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /**
   * Waits for a free slot, then starts work on a batch without waiting for its end.
   * @throws the error of an earlier batch that failed
   */
  async start(work: () => Promise<void>): Promise<void> {
    await this.#until(() => this.#inFlight.size < this.most)
    this.failed.throwIfAborted()
    const flight: Promise<void> = work()
      .catch((error: unknown) => this.#failed.abort(error))
      .finally(() => this.#inFlight.delete(flight))
    this.#inFlight.add(flight)
  }

  /** Waits until no batch is in flight. @throws as {@link start}, even while other batches are still in flight */
  async idle(): Promise<void> {
    await this.#until(() => this.#inFlight.size === 0)
    this.failed.throwIfAborted()
  }

  async #until(enough: () => boolean): Promise<void> {
    while (!enough() && !this.failed.aborted) await Promise.race(this.#inFlight)
  }
}
