import { existsSync, readFileSync } from 'node:fs'
import { childrenOf } from '../../src/dev/services/processes.js'

/** Of Linux, for all processors that Node runs on. */
const TICKS_A_SECOND = 100

/** Time that a process, its children and those of them that have ended have had of the processors, in s. */
export function cpuSeconds(pid: number): number {
  const [own, ended] = ticksOf(pid)
  const children = childrenOf(pid).reduce((sum, child) => sum + (ticksOf(child)[0] ?? 0), 0)
  return (own + ended + children) / TICKS_A_SECOND
}

/** `utime + stime`, and the same of children that were waited for. */
function ticksOf(pid: number): [own: number, ended: number] {
  try {
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
      .slice(11, 15)
      .map(Number)
    return [utime + stime, cutime + cstime]
  } catch {
    return [0, 0] // it has just ended
  }
}

/** Resident memory of a process now, in MB. @throws Error where it has ended */
export function residentMb(pid: number): number {
  if (!existsSync(`/proc/${pid}`)) throw new Error(`the process ${pid} has ended while it was measured`)
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) / 1_024
}
