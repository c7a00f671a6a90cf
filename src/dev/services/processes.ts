import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Running {
  /** Process id of its parent. */
  readonly parent: number
  /** Its arguments, with a blank before and after each. */
  readonly command: string
}

const onLinux = process.platform === 'linux'

/** The process with an id; undefined where none runs (a zombie does not). Reads /proc on Linux, else calls `ps`. */
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
  // "pid (name) state parent ..."; the name may contain anything, even parentheses.
  const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  return [state, Number(parent), ` ${args} `]
}

function fromPs(pid: number): [state: string, parent: number, command: string] {
  const line = execFileSync('ps', ['-ww', '-o', 'stat=,ppid=,args=', '-p', String(pid)], { encoding: 'utf8' })
  const [, state = '', parent = '', args = ''] = /^\s*(\S+)\s+(\d+)\s+(.*)/.exec(line) ?? []
  return [state, Number(parent), ` ${args} `]
}

/** Process ids of the children of a process; none where the process does not run. */
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

/** Sends a signal. @returns false where the process no longer runs */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/**
 * Freezes a server with its children. Each Postgres backend has its own process group, so a signal to the server's
 * group does not reach them. The parent is frozen first, so that it cannot start a new child meanwhile.
 * @returns all frozen processes, the parent last
 */
export function freeze(pid: number): number[] {
  send(pid, 'SIGSTOP')
  const family = [...childrenOf(pid), pid]
  for (const member of family) send(member, 'SIGSTOP')
  return family
}

/** Continues a server that {@link freeze} has frozen. */
export function thaw(pid: number): void {
  for (const member of [...childrenOf(pid), pid]) send(member, 'SIGCONT')
}
