import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { aptInstall, canApt } from './apt.js'
import { inspect } from './processes.js'
import { run, versionOf } from './run.js'
import type { EmbeddedOptions } from './service.js'

/** A MongoDB-compatible server from the Python package index. */
export const SECANTUSDB = '0.7.0b3'

/**
 * The command that runs SecantusDB, installed into a Python environment of its own below `home` where it is not
 * there yet. The installation is made under another name and moved when complete, so one that was cut short is
 * never taken for whole, and two at the same time do not disturb each other.
 * @throws Error that says what is missing; the signal's reason once it is aborted
 */
export async function secantusdb(o: EmbeddedOptions): Promise<readonly [string, ...string[]]> {
  const place = join(o.home, `secantusdb-${SECANTUSDB}`)
  const python = join(place, 'bin', 'python')
  // A script names its interpreter by absolute path, which the move made wrong: so we name it ourselves.
  const command = [python, join(place, 'bin', 'secantusd-py')] as const
  if ((await versionOf(python, o.signal)) !== undefined) return command
  rmSync(place, { recursive: true, force: true }) // its Python is gone, say after an upgrade of the system
  await install(place, o)
  return command
}

async function install(place: string, o: EmbeddedOptions): Promise<void> {
  const half = `${place}.new-${process.pid}`
  mkdirSync(o.home, { recursive: true })
  sweep(place)
  try {
    await makeEnvironment(half, o)
    o.report(`installing SecantusDB ${SECANTUSDB} (MongoDB-compatible) with pip, about 150 MB, once`)
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
    const patience = ['--retries=1', '--timeout=20']
    await run(join(half, 'bin', 'python'), [...pip, ...patience, `secantusdb==${SECANTUSDB}`], {
      signal: o.signal,
      timeoutMs: 600_000,
    })
    try {
      renameSync(half, place)
    } catch (error) {
      if (!existsSync(place)) throw error // else another process was faster; its one is as good
    }
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
}

async function makeEnvironment(half: string, o: EmbeddedOptions): Promise<void> {
  const make = () => run('python3', ['-m', 'venv', half], { signal: o.signal, timeoutMs: 120_000 })
  try {
    await make()
  } catch (error) {
    // Debian and Ubuntu leave venv out of python3.
    o.signal.throwIfAborted()
    if (!(await canApt(o.signal))) throw error
    await aptInstall('python3-venv', o)
    rmSync(half, { recursive: true, force: true })
    await make()
  }
}

/** Removes what installations left behind that were killed. */
function sweep(place: string): void {
  const parent = dirname(place)
  for (const name of readdirSync(parent)) {
    const pid = /^secantusdb-.*\.new-(\d+)$/.exec(name)?.[1]
    if (pid === undefined || inspect(Number(pid)) !== undefined) continue
    try {
      rmSync(join(parent, name), { recursive: true, force: true })
    } catch {
      // Its pip outlived it and still writes: the next installation removes it.
    }
  }
}
