/**
 * Lets writes about the same documents go one after the other. Each reads first and writes under the condition that
 * nobody else has: two at the same time would only make each other read again.
 */
export class KeyedMutex {
  readonly #under = new Map<Promise<unknown>, ReadonlySet<string>>()

  /**
   * Does some work as soon as no other is under way that shares a key with it.
   * @throws what the work throws
   */
  async take<T>(keys: ReadonlySet<string>, work: () => Promise<T>): Promise<T> {
    for (let rival = this.#rivalOf(keys); rival; rival = this.#rivalOf(keys)) await rival
    const done = work()
    const over = done.then(
      () => undefined,
      () => undefined,
    )
    this.#under.set(over, keys)
    try {
      return await done
    } finally {
      this.#under.delete(over)
    }
  }

  #rivalOf(keys: ReadonlySet<string>): Promise<unknown> | undefined {
    for (const [over, others] of this.#under) if (overlap(keys, others)) return over
    return undefined
  }
}

function overlap(keys: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const key of keys) if (others.has(key)) return true
  return false
}
