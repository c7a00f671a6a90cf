import { unlessAborted } from '../abort.js'

/** A write that has failed, and is tried again. */
interface Probe {
  readonly write: object
  readonly over: Promise<void>
  end(): void
}

/**
 * While a store fails, one write alone is tried again: the first that failed. The others wait for it, so that a store
 * that comes back meets one batch of each worker, and not all that has piled up.
 */
export class RetryGate {
  #probe: Probe | undefined

  /**
   * Waits while another write is the probe.
   * @param write known by its identity, at each attempt the same
   * @throws the signal's reason, once it is aborted
   */
  async pass(write: object, signal: AbortSignal): Promise<void> {
    while (this.#probe && this.#probe.write !== write) await unlessAborted(this.#probe.over, signal)
  }

  /** A write has failed for the time being. @returns whether it is the probe */
  fail(write: object): boolean {
    this.#probe ??= probeOf(write)
    return this.#probe.write === write
  }

  /** A write has come to its end. */
  end(write: object): void {
    if (this.#probe?.write !== write) return
    this.#probe.end()
    this.#probe = undefined
  }
}

function probeOf(write: object): Probe {
  let end = (): void => {}
  const over = new Promise<void>((resolve) => {
    end = resolve
  })
  return { write, over, end }
}
