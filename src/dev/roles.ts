import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Environment } from '../config.js'

/** `tributary start <role>` as a process of its own. */
export interface RoleProcess {
  readonly role: string
  readonly pid: number
  /** On which it can be asked. */
  readonly adminPort: number
  /** Resolves to what it exits with: a code, or the signal that ended it. */
  readonly exited: Promise<number | string>
  kill(signal: NodeJS.Signals): void
}

/** Whether a role brings events to a sink of its name. */
export function isSinkRole({ role }: RoleProcess): boolean {
  return role !== 'edge' && role !== 'maintenance'
}

/** What a role's process is started with. */
export interface RoleOptions {
  /** Path of the compiled `main.js`. */
  readonly main: string
  readonly role: string
  readonly env: Environment
  /** Default: any that is free. */
  readonly adminPort?: number
  /** File that gets its log. */
  readonly logFile: string
  /** Is told the message of every line that is a warning or worse. */
  readonly onWarning: (message: string) => void
}

/** As the image has it, and the shebang of `main.ts`. What this process was started with goes before it. */
const NODE_FLAGS = ['--max-semi-space-size=32']

/** pino's number for `warn`. */
const WARN = 40

/**
 * Starts a role and waits until it tells by its channel that it runs, and on which admin port.
 * @throws Error with its last words, where it ends before that
 */
export async function startRole(options: RoleOptions, signal: AbortSignal): Promise<RoleProcess> {
  const { main, role, env, logFile, onWarning } = options
  const child = fork(main, ['start', role], {
    env: { ...env, ADMIN_PORT: String(options.adminPort ?? 0) },
    execArgv: [...NODE_FLAGS, ...process.execArgv],
    // In a group of its own: Ctrl-C is for us, and we stop the roles when it is their turn.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const lastWords = captureLog(child, logFile, (message) => onWarning(`${role}: ${message}`))
  const exited = once(child, 'exit').then(([code, by]) => (code ?? by) as number | string)
  const { pid = 0 } = child
  const died = exited.then((code) => {
    throw new Error(`${role} ended (${code}) before it was ready:\n${lastWords()}`)
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

/** Writes a process's output to its file. @returns what it said last */
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

/** Asks a role for its figures. @returns `undefined` while it does not answer */
export async function readStats<T>({ role, adminPort }: RoleProcess): Promise<T | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/stats`, { signal: AbortSignal.timeout(1_000) })
    return ((await answer.json()) as Record<string, T>)[role]
  } catch {
    // A role that is being killed or is busy is shown by its absence, and asked again a second later.
    return undefined
  }
}
