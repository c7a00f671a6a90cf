/**
 * Runs writes to the same documents one after the other. Each write reads first, and is valid only if no other write
 * came in between: two at the same time would only force each other to read again.
 */
export class KeyedMutex {
  readonly #inFlight = new Map<Promise<unknown>, ReadonlySet<string>>()

  /**
   * Starts work as soon as no other work that shares a key with it is in flight.
   * @throws what the work throws
   */
  async take<T>(keys: ReadonlySet<string>, work: () => Promise<T>): Promise<T> {
    for (let rival = this.#rivalOf(keys); rival; rival = this.#rivalOf(keys)) await rival
    const done = work()
    const over = done.then(
      () => undefined,
      () => undefined,
    )
    this.#inFlight.set(over, keys)
    try {
      return await done
    } finally {
      this.#inFlight.delete(over)
    }
  }

  #rivalOf(keys: ReadonlySet<string>): Promise<unknown> | undefined {
    for (const [over, others] of this.#inFlight) if (overlap(keys, others)) return over
    return undefined
  }
}

function overlap(keys: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const key of keys) if (others.has(key)) return true
  return false
}
