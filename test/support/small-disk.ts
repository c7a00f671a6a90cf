import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own, to be filled up. */
export interface SmallDisk {
  readonly path: string
  /** Whoever still uses it. */
  remove(): void
}

/**
 * Mounts one in memory, for the owner of a folder.
 * @returns `undefined` where this process may not mount: that takes root, and a container that lets it
 */
export function mountSmallDisk(mebibytes: number, ownersFolder: string): SmallDisk | undefined {
  const { uid, gid } = statSync(ownersFolder)
  // Not in the folder of the test's servers: a server's user has to get there.
  const path = mkdtempSync(join(tmpdir(), 'tributary-disk-'))
  const options = `size=${mebibytes}m,uid=${uid},gid=${gid},mode=0700`
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    rmSync(path, { recursive: true, force: true })
    return undefined
  }
  const remove = () => {
    execFileSync('umount', ['--lazy', path], { stdio: 'ignore' })
    rmSync(path, { recursive: true, force: true })
  }
  return { path, remove }
}
