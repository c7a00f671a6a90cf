import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Environment } from '../config.js'

/** A process that runs `tributary start <role>`. */
export interface RoleProcess {
  readonly role: string
  readonly pid: number
  /** Port of its figures. */
  readonly adminPort: number
  /** Resolves when it exits, to its exit code or the signal that ended it. */
  readonly exited: Promise<number | string>
  kill(signal: NodeJS.Signals): void
}

/** Whether a role writes events to the sink of the same name. */
export function isSinkRole({ role }: RoleProcess): boolean {
  return role !== 'edge' && role !== 'maintenance'
}

/** Options of {@link startRole}. */
export interface RoleOptions {
  /** Path of the compiled `main.js`. */
  readonly main: string
  readonly role: string
  readonly env: Environment
  /** Default: any free port. */
  readonly adminPort?: number
  /** File to which its log is appended. */
  readonly logFile: string
  /** Called with the message of each log line that is a warning or worse. */
  readonly onWarning: (message: string) => void
}

/** The same flags as in the image and in the shebang of `main.ts`. Flags of this process override them. */
const NODE_FLAGS = ['--max-semi-space-size=32']

/** pino's number for `warn`. */
const WARN = 40

/**
 * Starts a role and waits until it reports, over its IPC channel, that it runs and on which admin port.
 * @throws Error with the last lines of its output, where it ends before that
 */
export async function startRole(options: RoleOptions, signal: AbortSignal): Promise<RoleProcess> {
  const { main, role, env, logFile, onWarning } = options
  const child = fork(main, ['start', role], {
    env: { ...env, ADMIN_PORT: String(options.adminPort ?? 0) },
    execArgv: [...NODE_FLAGS, ...process.execArgv],
    // In its own process group: Ctrl-C reaches only this process, which stops the roles in the right order.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const lastLines = captureLog(child, logFile, (message) => onWarning(`${role}: ${message}`))
  const exited = once(child, 'exit').then(([code, by]) => (code ?? by) as number | string)
  const { pid = 0 } = child
  const died = exited.then((code) => {
    throw new Error(`${role} ended (${code}) before it was ready:\n${lastLines()}`)
  })
  died.catch(() => undefined)
  try {
    const [adminPort] = (await Promise.race([once(child, 'message', { signal }), died])) as [number]
    return { role, pid, adminPort, exited, kill: (by) => void child.kill(by) }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Writes a process's output to its file. @returns a function that gives its last lines */
function captureLog(
  child: ChildProcess,
  logFile: string,
  onWarning: (message: string) => void,
): () => string {
  const file = createWriteStream(logFile, { flags: 'a' })
  const last: string[] = []
  let rest = ''
  const take = (chunk: Buffer) => {
    file.write(chunk)
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const { message, level } = readLine(line)
      last.splice(0, Math.max(0, last.length - 5))
      last.push(message)
      if (level >= WARN) onWarning(message)
    }
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  return () => [...last, rest].join('\n')
}

function readLine(line: string): { message: string; level: number } {
  if (!line.startsWith('{')) return { message: line, level: WARN }
  const { msg, level, err } = JSON.parse(line) as { msg?: string; level: number; err?: { message?: string } }
  return { message: [msg, err?.message].filter(Boolean).join(': '), level }
}

/** Reads a role's figures. @returns `undefined` while it does not answer */
export async function readStats<T>({ role, adminPort }: RoleProcess): Promise<T | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/stats`, { signal: AbortSignal.timeout(1_000) })
    return ((await answer.json()) as Record<string, T>)[role]
  } catch {
    // A role that is busy or being killed has no figures now; the table asks again a second later.
    return undefined
  }
}
