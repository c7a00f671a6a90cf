import { execFile } from 'node:child_process'

export interface RunOptions {
  readonly signal: AbortSignal
  /** After so many milliseconds the program is ended and the call fails. Default: 10 s. */
  readonly timeoutMs?: number
  readonly cwd?: string
  /** The user to run as; only root may choose. */
  readonly uid?: number
  readonly gid?: number
}

/**
 * Runs a program to its end.
 * @returns what it wrote, both streams
 * @throws Error that names the command and carries its last lines, when it is not there, fails, or takes too
 *   long; the signal's reason once it is aborted
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
  if (error.code === 'ENOENT') return 'is not there'
  if (error.killed === true) return `was ended, it took longer than ${timeoutMs / 1000} s`
  return `failed (${String(error.code)}): ${lastLines(output, 8)}`
}

/** The last lines of a text that are not empty. */
export function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n')
}

/** The answer of `command --version`, or undefined where the program is not there or cannot run. */
export async function versionOf(command: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await run(command, ['--version'], { signal })
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
