import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RoleProcess, startRole } from '../../src/dev/roles.js'

/** What a process is started with. */
export interface MemberOptions {
  /** Such as `postgres-1`. */
  readonly name: string
  readonly role: string
  /** Path of the compiled command line. */
  readonly main: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute path of the folder that gets its log, `<name>.log`. */
  readonly folder: string
  /** Is told what it does that it should not. */
  readonly onTrouble: (what: string) => void
}

/** Pause between the end of a process and the next one, as orchestrators have it, in ms. */
const RESTART_MS = 200
/** How long a strike waits for a process that is just starting, in ms. */
const RUNNING_MS = 15_000

/** One process of Tributary, started again whenever it ends, as an orchestrator does. */
export class Member {
  readonly name: string
  readonly #options: MemberOptions
  readonly #logFile: string
  readonly #closing = new AbortController()
  #process: RoleProcess | undefined
  #starting = new AbortController()
  /** Whether it is to stay down. */
  #held = false
  #more: Record<string, string> = {}
  readonly #kept: Promise<void>
  #began: { resolve: () => void; reject: (error: unknown) => void } | undefined
  /** Settles when its first process runs, or has failed to. */
  readonly began: Promise<void>

  constructor(options: MemberOptions) {
    this.#options = options
    this.name = options.name
    this.#logFile = join(options.folder, `${options.name}.log`)
    this.began = new Promise((resolve, reject) => {
      this.#began = { resolve, reject }
    })
    this.began.catch(() => undefined)
    this.#kept = this.#keep()
  }

  /** Its process once it runs. @throws Error where it does not come up in time */
  async running(timeoutMs = RUNNING_MS): Promise<RoleProcess> {
    for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
      if (this.#process) return this.#process
      await sleep(20)
    }
    throw new Error(`${this.name} does not come up within ${timeoutMs} ms: see ${this.#logFile}`)
  }

  /** Ends its process and keeps it down until {@link Member.release}. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#held = true
    if (!this.#process) return this.#starting.abort(new Error('ended while it was starting'))
    const { exited } = this.#process
    this.#process.kill(signal)
    if (signal === 'SIGKILL') this.#process.kill('SIGCONT')
    await exited
  }

  /** Lets it run again. @param env what its next process gets besides */
  release(env: Record<string, string> = {}): void {
    this.#more = env
    this.#held = false
  }

  /** Kills it for good. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the run is over'))
    this.#starting.abort(new Error('the run is over'))
    await this.end('SIGKILL')
    await this.#kept
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      if (!this.#held) await this.#live()
      await sleep(this.#held ? 20 : RESTART_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  /** One process from its start to its end. */
  async #live(): Promise<void> {
    const { main, role, env, onTrouble } = this.#options
    this.#starting = new AbortController()
    const options = {
      main,
      role,
      logFile: this.#logFile,
      onWarning: () => undefined,
    }
    try {
      this.#process = await startRole({ ...options, env: { ...env, ...this.#more } }, this.#starting.signal)
    } catch (error) {
      this.#began?.reject(error)
      if (!this.#starting.signal.aborted) onTrouble(`${this.name} did not start: ${String(error)}`)
      return
    }
    this.#began?.resolve()
    // It was to end in the very moment in which it came up.
    if (this.#held) this.#process.kill('SIGKILL')
    const code = await this.#process.exited
    this.#process = undefined
    if (!this.#held) onTrouble(`${this.name} ended by itself (${code}): see ${this.#logFile}`)
  }
}
