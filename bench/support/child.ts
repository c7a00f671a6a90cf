import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process that a bench has started, and that has said that it is ready. */
export interface Child {
  readonly process: ChildProcess
  readonly pid: number
  /** What it said when it was ready. */
  readonly ready: unknown
  /** Rejects when it ends by itself. */
  readonly died: Promise<never>
  end(): Promise<void>
}

/**
 * Starts a module of the bench as a process, and waits for its first message.
 * @throws Error where it ends before that
 */
export async function startChild(
  module: URL,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const child = fork(fileURLToPath(module), args, {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  })
  const exited = once(child, 'exit')
  let ending = false
  const died = exited.then(([code, signal]) => {
    throw new Error(`${fileURLToPath(module)} ended by itself (${code ?? signal})`)
  })
  died.catch(() => undefined)
  const [ready] = (await Promise.race([once(child, 'message'), died])) as [unknown]
  return {
    process: child,
    pid: child.pid ?? 0,
    ready,
    died,
    end: async () => {
      if (ending) return
      ending = true
      child.kill('SIGKILL')
      await exited
    },
  }
}
