import { vi } from 'vitest'
import { runProgram } from '../../src/cli/command.js'
import { createProgram } from '../../src/cli/program.js'

/** What a command line has come to. */
export interface Run {
  readonly exitCode: number
  /** What it printed on standard output and on standard error. */
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process, with the environment as `vi.stubEnv` has left it; its output is caught. */
export async function runCommandLine(args: readonly string[], create = createProgram): Promise<Run> {
  const printed = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += text
      return true
    }),
  )
  const exitCode = await runProgram(create, args).finally(() => {
    for (const spy of spies) spy.mockRestore()
  })
  return { exitCode, out: printed.stdout, err: printed.stderr }
}
