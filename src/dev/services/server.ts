import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, isListening } from './port.js'
import { freeze, send, thaw } from './processes.js'
import { lastLines } from './run.js'
import { type EmbeddedOptions, inData, reason, type Service } from './service.js'
import { forgetPid, gone, notePid, stopStaleServer } from './stale-server.js'

/** How to run one server: all that differs between Redis, Postgres and MongoDB. */
export interface Recipe {
  readonly name: Service['name']
  readonly chose: string
  readonly command: string
  /** Must contain `dataDir` as a separate argument, by which a later run recognises the process as ours. */
  readonly args: (port: number) => readonly string[]
  readonly dataDir: string
  readonly url: (port: number) => string
  /** Must reject while the server does not answer. */
  readonly ping: (port: number) => Promise<unknown>
  /** Signal that makes this server end cleanly and at once, even with clients connected. */
  readonly stopSignal: NodeJS.Signals
  readonly uid?: number
  readonly gid?: number
  /** Called before each start of the server. */
  readonly prepare?: () => void
}

const READY_MS = 60_000
const STOP_MS = 15_000
const PORT_TAKEN = /address (already )?in use|EADDRINUSE/i

/** Servers that run now. When this process exits, it asks them to end. */
const alive = new Set<Server>()
process.on('exit', () => {
  for (const server of alive) server.interrupt()
})

/**
 * Starts a server and waits until it answers.
 * @throws Error with the last lines of the server's log, when it does not start; the signal's reason once it is
 *   aborted
 */
export async function startServer(recipe: Recipe, o: EmbeddedOptions): Promise<Service> {
  mkdirSync(recipe.dataDir, { recursive: true })
  const pidFile = inData(o, `${recipe.name}.pid`)
  await stopStaleServer({ ...recipe, pidFile, report: o.report, signal: o.signal })
  const log = inData(o, `${recipe.name}.log`)
  if (existsSync(log)) renameSync(log, `${log}.1`)
  for (let attempt = 1; ; attempt++) {
    const server = new Server(recipe, await freePort(o.port), { log, pidFile, report: o.report })
    try {
      await server.start(o.signal)
      return server
    } catch (error) {
      // Another process may have taken the free port before this server listened on it.
      const again = o.port === undefined && attempt < 4 && PORT_TAKEN.test(reason(error))
      if (!again) throw error
    }
  }
}

class Server implements Service {
  readonly name: Service['name']
  readonly url: string
  readonly chose: string
  #child: ChildProcess | undefined
  #expectEnd = false
  #paused = false

  constructor(
    readonly recipe: Recipe,
    readonly port: number,
    readonly own: { log: string; pidFile: string; report: (line: string) => void },
  ) {
    this.name = recipe.name
    this.url = recipe.url(port)
    this.chose = recipe.chose
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(signal: AbortSignal = new AbortController().signal): Promise<void> {
    signal.throwIfAborted()
    if (this.#child !== undefined) return
    const child = this.#spawn()
    try {
      await this.#answers(child, signal)
    } catch (error) {
      await this.kill()
      signal.throwIfAborted() // the signal's reason says more than a timer's "aborted"
      throw error
    }
  }

  #spawn(): ChildProcess {
    const { command, args, dataDir, uid, gid, prepare } = this.recipe
    prepare?.()
    const log = openSync(this.own.log, 'a')
    const child = spawn(command, args(this.port), {
      cwd: dataDir,
      // In its own process group: the terminal's Ctrl-C must not end the stores before the workers have drained.
      detached: true,
      stdio: ['ignore', log, log],
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    })
    closeSync(log)
    this.#expectEnd = true // until it answers, its end is an error of the start, and needs no report
    this.#child = child
    child.once('error', () => this.#ended(child, 'could not be run'))
    child.once('exit', (code, signal) => this.#ended(child, signal ?? `code ${code}`))
    if (child.pid !== undefined) {
      notePid(this.own.pidFile, child.pid)
      alive.add(this)
    }
    return child
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    this.#paused = false
    alive.delete(this)
    forgetPid(this.own.pidFile)
    if (!this.#expectEnd) this.own.report(`${this.name} ended by itself (${how}); see ${this.own.log}`)
  }

  async #answers(child: ChildProcess, signal: AbortSignal): Promise<void> {
    let last: unknown = 'no process listens on its port'
    for (const until = Date.now() + READY_MS; Date.now() < until; ) {
      try {
        if (await isListening(this.port)) {
          await this.recipe.ping(this.port)
          last = undefined
        }
      } catch (error) {
        last = error
      }
      signal.throwIfAborted()
      // Checked first: another process may have answered on this port.
      if (this.#child !== child) throw this.#failed('ended before it answered')
      if (last === undefined) {
        this.#expectEnd = false
        return
      }
      await sleep(40, undefined, { signal })
    }
    throw this.#failed(`did not answer within ${READY_MS / 1000} s (${reason(last)})`)
  }

  #failed(what: string): Error {
    const { command, chose } = this.recipe
    const text = readFileSync(this.own.log, 'utf8')
    return new Error(
      `${this.name} (${chose}) ${what}.\nThe last lines of ${this.own.log}:\n` +
        (lastLines(text, 12) || `(nothing; does ${command} run on this system?)`),
    )
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const ended = once(child, 'exit')
    if (this.#paused) {
      // A process that has just been resumed may deliver the signal to a thread that ignores it.
      this.resume()
      await sleep(100)
    }
    this.interrupt()
    const inTime = await Promise.race([ended.then(() => true), sleep(STOP_MS, false, { ref: false })])
    if (inTime) return
    this.own.report(`${this.name} did not stop within ${STOP_MS / 1000} s and is killed`)
    await this.kill()
  }

  /** Asks the server to end, without waiting. */
  interrupt(): void {
    const pid = this.#child?.pid
    if (pid === undefined) return
    this.#expectEnd = true
    thaw(pid) // a frozen process would not act on the signal
    send(pid, this.recipe.stopSignal)
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined) return
    this.#expectEnd = true
    const ended = once(child, 'exit')
    const family = freeze(child.pid)
    for (const member of family) send(member, 'SIGKILL')
    await ended
    await gone(family, 5_000) // the next start fails while a backend still has the shared memory
  }

  pause(): void {
    if (this.#child?.pid === undefined) return
    this.#paused = true
    freeze(this.#child.pid)
  }

  resume(): void {
    this.#paused = false
    if (this.#child?.pid !== undefined) thaw(this.#child.pid)
  }
}

/** For `chose`: the data folder, relative where it is below the working directory. */
export function dataIn(dir: string): string {
  const base = `${process.cwd()}/`
  return `data in ${dir.startsWith(base) ? dir.slice(base.length) : dir}`
}
