import { unlessAborted } from '../abort.js'
import { TransientError } from '../errors.js'

/** A token is refreshed this long before its end, in ms; one with a short life when a tenth of its life is left. */
const EARLY_MS = 30_000
/** Life of a token whose answer does not say it, in ms: the shortest that is published. */
const USUAL_LIFE_MS = 300_000

/** An answer of the token endpoint. */
export interface Issued {
  readonly token: string
  /** In ms; `undefined` where the answer does not say it. */
  readonly lifeMs: number | undefined
  /** When it was asked for, by the clock of {@link TokenSource}: its life may have begun then. */
  readonly askedAt: number
}

/** The token of the client: kept as long as it lasts, refreshed before its end, by one request at a time. */
export class TokenSource {
  #current: { readonly token: string; readonly refreshAt: number; readonly endsAt: number } | undefined
  #newest = ''
  #refresh: Promise<string> | undefined
  readonly #closing = new AbortController()

  /**
   * @param issue asks the token endpoint once
   * @param now in ms, monotonic
   */
  constructor(
    private readonly issue: (signal: AbortSignal) => Promise<Issued>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * A token that is valid now, as far as is known.
   * @param signal ends the wait; a refresh goes on, as others may wait for it
   * @throws what `issue` throws · the signal's reason once it is aborted
   */
  async get(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    if (this.#current && this.now() < this.#current.refreshAt) return this.#current.token
    this.#refresh ??= this.#ask().finally(() => {
      this.#refresh = undefined
    })
    return await unlessAborted(this.#refresh, signal)
  }

  /** The token that is kept, until its end. */
  peek(): string | undefined {
    return this.#current && this.now() < this.#current.endsAt ? this.#current.token : undefined
  }

  /** Forgets a token that CXone has refused, so that the next {@link get} asks for a new one. */
  discard(token: string): void {
    if (this.#current?.token === token) this.#current = undefined
  }

  /** The newest token, which messages must not show; empty where there was none. */
  get secret(): string {
    return this.#newest
  }

  /** Ends a refresh. */
  close(): void {
    this.#closing.abort(new Error('the client of CXone is closed'))
  }

  async #ask(): Promise<string> {
    try {
      const { token, askedAt, lifeMs = USUAL_LIFE_MS } = await this.issue(this.#closing.signal)
      this.#newest = token
      const early = Math.min(EARLY_MS, lifeMs / 10)
      this.#current = { token, refreshAt: askedAt + lifeMs - early, endsAt: askedAt + lifeMs }
      return token
    } catch (error) {
      // The endpoint is away, but the old token still lasts for a while.
      const current = error instanceof TransientError ? this.peek() : undefined
      if (current !== undefined) return current
      throw error
    }
  }
}
