import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall, canApt } from './apt.js'
import { inspect } from './processes.js'
import { run, versionOf } from './run.js'
import type { EmbeddedOptions } from './service.js'

/** A package of the Python package index. */
export interface PythonPackage {
  readonly name: string
  readonly version: string
  /** What it is and how large: said while it is installed. */
  readonly about: string
}

/**
 * Installs a package into a Python environment of its own below `home`, where it is not there yet. The installation
 * is made under another name and moved when complete, so one that was cut short is never taken for whole, and two
 * at the same time do not disturb each other.
 * @returns the environment's folder of programs. A script there names its interpreter by absolute path, which the
 *   move made wrong: run it with the folder's `python`
 * @throws Error that says what is missing; the signal's reason once it is aborted
 */
export async function pythonEnvironment(wanted: PythonPackage, o: EmbeddedOptions): Promise<string> {
  const place = join(o.home, `${wanted.name}-${wanted.version}`)
  const bin = join(place, 'bin')
  if ((await versionOf(join(bin, 'python'), o.signal)) !== undefined) return bin
  rmSync(place, { recursive: true, force: true }) // its Python is gone, say after an upgrade of the system
  await install(place, wanted, o)
  return bin
}

async function install(
  place: string,
  { name, version, about }: PythonPackage,
  o: EmbeddedOptions,
): Promise<void> {
  const half = `${place}.new-${process.pid}`
  mkdirSync(o.home, { recursive: true })
  sweep(o.home, name)
  try {
    await makeEnvironment(half, o)
    o.report(`installing ${name} ${version} (${about}) with pip, once`)
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
    const patience = ['--retries=1', '--timeout=20']
    await run(join(half, 'bin', 'python'), [...pip, ...patience, `${name}==${version}`], {
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

/** Removes what installations of a package, in any version, left behind that were killed. */
function sweep(home: string, name: string): void {
  for (const entry of readdirSync(home)) {
    const [place = '', pid] = entry.split('.new-')
    if (!place.startsWith(`${name}-`) || pid === undefined || inspect(Number(pid)) !== undefined) continue
    try {
      rmSync(join(home, entry), { recursive: true, force: true })
    } catch {
      // Its pip outlived it and still writes: the next installation removes it.
    }
  }
}
