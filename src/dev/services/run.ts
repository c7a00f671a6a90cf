import { execFile } from 'node:child_process'

export interface RunOptions {
  readonly signal: AbortSignal
  /** Time in milliseconds after which the program is killed and the call fails. Default: 10 s. */
  readonly timeoutMs?: number
  readonly cwd?: string
  /** User to run as; only root can set it. */
  readonly uid?: number
  readonly gid?: number
}

/**
 * Runs a program and waits for its end.
 * @returns its output: standard output, then standard error
 * @throws Error with the command and its last lines, when the program does not exist, fails, or takes too long; the
 *   signal's reason once it is aborted
 */
export async function run(command: string, args: readonly string[], o: RunOptions): Promise<string> {
  o.signal.throwIfAborted()
  const { timeoutMs = 10_000, ...rest } = o
  return await new Promise((resolve, reject) => {
    const options = { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 2 ** 20 } as const
    execFile(command, args, options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim()
      if (error === null) return resolve(output)
      if (o.signal.aborted) return reject(o.signal.reason)
      const shown = [command, ...args].join(' ')
      reject(new Error(`"${shown}" ${howItFailed(error, timeoutMs, output)}`, { cause: error }))
    })
  })
}

function howItFailed(
  error: Error & { code?: unknown; killed?: boolean },
  timeoutMs: number,
  output: string,
): string {
  if (error.code === 'ENOENT') return 'does not exist'
  if (error.killed === true) return `was killed because it took longer than ${timeoutMs / 1000} s`
  return `failed (${String(error.code)}): ${lastLines(output, 8)}`
}

/** The last lines of a text, without empty lines. */
export function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n')
}

/** The output of `command --version`; undefined where the program does not exist or cannot run. */
export async function versionOf(command: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await run(command, ['--version'], { signal })
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
