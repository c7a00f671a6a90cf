import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { run, versionOf } from './run.js'

/** How to run a program as a user that is not root. */
export interface RunAs {
  /** Words to put before the command and its arguments. */
  readonly prefix: readonly string[]
  /** User and group for `spawn`; empty where the user stays the same, or the prefix changes it. */
  readonly ids: { readonly uid?: number; readonly gid?: number }
  /** User that must own the data; undefined where it is our own. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/** The Linux capability with which a user can enter folders, and run programs, of another user with mode 700. */
const CAPABILITY = { name: 'dac_override', bit: 1n }

/**
 * Postgres refuses to run as root. So root runs it as the user `postgres`, or `nobody` where there is none. That user
 * may have no access to the files: a clone in /root/tributary is below a folder of mode 700. Only then does the user
 * get one capability, which gives access.
 * @param paths files and folders that the user must reach
 * @throws Error that names the folder and the remedies, where the user cannot get access
 */
export async function notRoot(paths: readonly string[], signal: AbortSignal): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { prefix: [], ids: {} }
  const { name, uid, gid } = (await lookUp('postgres', signal)) ?? (await lookUp('nobody', signal)) ?? none()
  const owner = { uid, gid }
  const closed = paths.flatMap((path) => closedFolders(path, uid, gid))[0]
  if (closed === undefined) return { prefix: [], ids: owner, owner }
  if (!canGive(CAPABILITY.bit) || (await versionOf('setpriv', signal)) === undefined) {
    throw new Error(
      `Postgres does not run as root, and user ${name} cannot enter ${closed}. Move the project to a folder that ` +
        'everybody can enter (/srv, /opt), run as another user than root, or set POSTGRES_URL.',
    )
  }
  const prefix = [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    // Without it, access(2), with which initdb looks for its programs, would ignore the capability.
    '--securebits=+no_setuid_fixup',
    `--inh-caps=-all,+${CAPABILITY.name}`,
    `--ambient-caps=-all,+${CAPABILITY.name}`,
  ]
  return { prefix, ids: {}, owner }
}

async function lookUp(name: string, signal: AbortSignal) {
  try {
    const id = async (flag: string) => Number(await run('id', [flag, name], { signal }))
    return { name, uid: await id('-u'), gid: await id('-g') }
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

function none(): never {
  throw new Error(
    'Postgres does not run as root, and this system has neither a user postgres nor nobody. ' +
      'Run as another user than root, or set POSTGRES_URL.',
  )
}

/** The folders on the way to `path`, from the top, that the user must not enter. */
function closedFolders(path: string, uid: number, gid: number): string[] {
  const above = dirname(path) === path ? [] : closedFolders(dirname(path), uid, gid)
  const { mode, uid: owner, gid: group } = statSync(path)
  const passable = (mode >> (owner === uid ? 6 : group === gid ? 3 : 0)) & 1
  return passable ? above : [...above, path]
}

function canGive(bit: bigint): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return ((BigInt(`0x${effective ?? '0'}`) >> bit) & 1n) === 1n
  } catch {
    return false // not Linux: there are no capabilities
  }
}
