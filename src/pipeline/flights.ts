/** Batches on their way to a store, so many at a time. */
export class Flights {
  readonly #under = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  /** @param most at a time */
  constructor(private readonly most: number) {}

  /**
   * Starts work on a batch as soon as it may, without waiting for its end.
   * @throws what an earlier batch has failed with
   */
  async start(work: () => Promise<void>): Promise<void> {
    while (this.#under.size >= this.most) await Promise.race(this.#under)
    this.#throwFailure()
    const flight: Promise<void> = work()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#under.delete(flight))
    this.#under.add(flight)
  }

  /** Waits until nothing is under way. @throws as {@link start} */
  async landed(): Promise<void> {
    await Promise.all(this.#under)
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error
  }
}
