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
  /** What it is and its size: printed while it is installed. */
  readonly about: string
}

/**
 * Installs a package, unless it is installed already, into its own Python environment below `home`. It is installed
 * under another name and renamed when complete: so an interrupted installation never counts as complete, and two at
 * the same time do not disturb each other.
 * @returns the environment's folder of programs. Run a script there with the folder's `python`: the script itself names
 *   its interpreter by an absolute path, which the renaming made wrong
 * @throws Error that says what is missing; the signal's reason once it is aborted
 */
export async function pythonEnvironment(wanted: PythonPackage, o: EmbeddedOptions): Promise<string> {
  const place = join(o.home, `${wanted.name}-${wanted.version}`)
  const bin = join(place, 'bin')
  if ((await versionOf(join(bin, 'python'), o.signal)) !== undefined) return bin
  rmSync(place, { recursive: true, force: true }) // its Python no longer runs, for example after an upgrade of the system
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
      if (!existsSync(place)) throw error // where it exists, another process was faster; its installation is as good
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
    // On Debian and Ubuntu, python3 comes without venv.
    o.signal.throwIfAborted()
    if (!(await canApt(o.signal))) throw error
    await aptInstall('python3-venv', o)
    rmSync(half, { recursive: true, force: true })
    await make()
  }
}

/** Removes the files of killed installations of a package, in any version. */
function sweep(home: string, name: string): void {
  for (const entry of readdirSync(home)) {
    const [place = '', pid] = entry.split('.new-')
    if (!place.startsWith(`${name}-`) || pid === undefined || inspect(Number(pid)) !== undefined) continue
    try {
      rmSync(join(home, entry), { recursive: true, force: true })
    } catch {
      // The killed installation's pip still runs and writes: the next installation removes the files.
    }
  }
}
