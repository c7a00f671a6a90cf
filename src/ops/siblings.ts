import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { unlessAborted } from '../abort.js'
import type { Environment } from '../config.js'
import { backoffMs } from '../retry.js'

/** Pauses before a process that has ended is started again. */
const RESTART = { initialMs: 500, maxMs: 30_000 }
/** From one look at whether a process is alive to the next, and for how long it may fail to answer, in ms. */
const [LOOK_MS, HUNG_MS] = [5_000, 30_000]
/** How long an answer may take, in ms: less than who asks us waits. */
const ANSWER_MS = 1_500

/** How the processes are started. */
export interface SiblingsOptions {
  readonly count: number
  /** Path of the program, and its arguments. Each says by its channel on which port of 127.0.0.1 it can be asked. */
  readonly program: string
  readonly args: readonly string[]
  readonly env: Environment
  readonly log: Pick<Logger, 'error' | 'warn'>
}

/** A process while it runs. */
interface Running {
  readonly child: ChildProcess
  readonly port: number
}

/**
 * Processes that do the same work side by side; one that ends or hangs is started again. Ours ends with them, and they
 * with ours: their channel tells.
 */
export class Siblings {
  readonly #options: SiblingsOptions
  /** By their place, from 0; `undefined` while one is being started. */
  readonly #running: (Running | undefined)[]
  /** All that have not ended. */
  readonly #children = new Set<ChildProcess>()
  readonly #stopping = new AbortController()
  #kept: Promise<unknown> = Promise.resolve()

  constructor(options: SiblingsOptions) {
    this.#options = options
    this.#running = Array(options.count).fill(undefined)
  }

  /**
   * Starts all of them; resolves when all run.
   * @throws Error where one ends before that: its log says why · the signal's reason, once it is aborted
   */
  async start(signal: AbortSignal): Promise<void> {
    const first = await Promise.allSettled(
      Array.from(this.#running, (_, place) => unlessAborted(this.#spawn(place), signal)),
    )
    const failed = first.find((one) => one.status === 'rejected')
    if (failed) {
      await this.stop()
      throw failed.reason
    }
    this.#kept = Promise.all(Array.from(this.#running, (_, place) => this.#keep(place)))
  }

  /** Asks each for a page of its admin port. @throws Error that says which of them does not answer with 200, and what */
  async ask(path: string): Promise<string[]> {
    return await Promise.all(
      this.#running.map(async (running, place) => {
        if (!running) throw new Error(`process ${place + 1} is being started`)
        const answer = await request(running, path).catch((error: unknown) => {
          throw new Error(`process ${place + 1} does not answer: ${String(error)}`)
        })
        if (!answer.ok) throw new Error(`process ${place + 1}: ${answer.text.trim()}`)
        return answer.text
      }),
    )
  }

  /** Ends all of them in order, and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(
      Array.from(this.#children, async (child) => {
        const exited = once(child, 'exit')
        child.kill('SIGTERM')
        await exited
      }),
    )
    await this.#kept
  }

  async #spawn(place: number): Promise<void> {
    const { program, args, env } = this.#options
    const child = fork(program, args, { env: { ...env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const exited = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`process ${place + 1} ended (${code ?? signal}) before it was ready: its log says why`)
    })
    this.#children.add(child)
    exited.catch(() => this.#children.delete(child))
    const [port] = (await Promise.race([once(child, 'message'), exited])) as [number]
    this.#running[place] = { child, port }
  }

  /** Starts a process again whenever it has ended, and ends it where it hangs. */
  async #keep(place: number): Promise<void> {
    const { log } = this.#options
    const { signal } = this.#stopping
    for (let attempt = 1; !signal.aborted; attempt++) {
      const running = this.#running[place]
      if (running) {
        attempt = 1
        await this.#watch(running, place)
        this.#running[place] = undefined
        if (signal.aborted) return
        const { exitCode, signalCode } = running.child
        log.error(`Process ${place + 1} has ended (${exitCode ?? signalCode}) and is started again`)
      }
      await sleep(backoffMs(attempt, RESTART), undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await this.#spawn(place).catch((error: Error) => log.warn(error.message))
    }
  }

  /** Resolves when the process has ended. */
  async #watch({ child, port }: Running, place: number): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = new AbortController()
    child.once('exit', () => exited.abort())
    let answeredAt = performance.now()
    while (!exited.signal.aborted) {
      await sleep(LOOK_MS, undefined, { signal: exited.signal }).catch(() => undefined)
      if (await request({ port }, '/healthz').catch(() => undefined)) answeredAt = performance.now()
      if (exited.signal.aborted || performance.now() - answeredAt < HUNG_MS) continue
      this.#options.log.error(`Process ${place + 1} has not answered for ${HUNG_MS} ms and is killed`)
      child.kill('SIGKILL')
      answeredAt = performance.now()
    }
  }
}

async function request(
  { port }: Pick<Running, 'port'>,
  path: string,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) })
  return { ok: answer.ok, text: await answer.text() }
}
