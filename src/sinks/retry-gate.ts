import { unlessAborted } from '../abort.js'

/** The write that has failed and is being retried. */
interface RetriedWrite {
  readonly write: object
  readonly over: Promise<void>
  end(): void
}

/**
 * While a store fails, each worker retries only one write: the first that failed. Its other writes wait, so that a
 * store that recovers gets one batch from each worker, and not everything that has piled up.
 */
export class RetryGate {
  #retried: RetriedWrite | undefined

  /**
   * Waits while another write is being retried.
   * @param write any object, the same one at each attempt of a write
   * @throws the signal's reason, once it is aborted
   */
  async pass(write: object, signal: AbortSignal): Promise<void> {
    while (this.#retried && this.#retried.write !== write) await unlessAborted(this.#retried.over, signal)
  }

  /** Call after a transient failure of a write. @returns whether this write is the one that is retried */
  fail(write: object): boolean {
    this.#retried ??= retriedWrite(write)
    return this.#retried.write === write
  }

  /** Call when a write has ended, with success or for good. */
  end(write: object): void {
    if (this.#retried?.write !== write) return
    this.#retried.end()
    this.#retried = undefined
  }
}

function retriedWrite(write: object): RetriedWrite {
  let end = (): void => {}
  const over = new Promise<void>((resolve) => {
    end = resolve
  })
  return { write, over, end }
}
