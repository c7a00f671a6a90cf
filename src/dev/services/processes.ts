import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Running {
  /** Process id of its parent. */
  readonly parent: number
  /** Its arguments, a blank before and after each. */
  readonly command: string
}

const onLinux = process.platform === 'linux'

/** What runs under a process id; undefined where nothing does (a zombie is nothing). Linux by /proc, else by `ps`. */
export function inspect(pid: number): Running | undefined {
  try {
    const [state, parent, command] = onLinux ? fromProc(pid) : fromPs(pid)
    return state.startsWith('Z') ? undefined : { parent, command }
  } catch {
    return undefined // it ended, before or while we looked
  }
}

function fromProc(pid: number): [state: string, parent: number, command: string] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // "pid (name) state parent ...", and a name may contain anything, parentheses too.
  const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  return [state, Number(parent), ` ${args} `]
}

function fromPs(pid: number): [state: string, parent: number, command: string] {
  const line = execFileSync('ps', ['-ww', '-o', 'stat=,ppid=,args=', '-p', String(pid)], { encoding: 'utf8' })
  const [, state = '', parent = '', args = ''] = /^\s*(\S+)\s+(\d+)\s+(.*)/.exec(line) ?? []
  return [state, Number(parent), ` ${args} `]
}

/** Process ids of the children of a process; none where it is not there. */
export function childrenOf(pid: number): number[] {
  try {
    if (onLinux) return numbers(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
    const all = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
    return all
      .map(numbers)
      .filter(([, parent]) => parent === pid)
      .flatMap(([child]) => child ?? [])
  } catch {
    return []
  }
}

function numbers(text: string): number[] {
  return text.trim().split(/\s+/).filter(Boolean).map(Number)
}

/** Sends a signal; false where the process is not there any more. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/**
 * Freezes a server with its children. Each of Postgres' backends is a process group of its own, so a signal to
 * the group does not reach them. The parent goes first: then no new child can appear while we look.
 * @returns every process that was frozen, the parent last
 */
export function freeze(pid: number): number[] {
  send(pid, 'SIGSTOP')
  const family = [...childrenOf(pid), pid]
  for (const member of family) send(member, 'SIGSTOP')
  return family
}

/** Ends a {@link freeze}. */
export function thaw(pid: number): void {
  for (const member of [...childrenOf(pid), pid]) send(member, 'SIGCONT')
}
