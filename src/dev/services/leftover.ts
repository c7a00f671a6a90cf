import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freeze, inspect, send, thaw } from './processes.js'

/** Notes which server runs on a data folder, and for whom: "server's pid, our pid". */
export function notePid(file: string, server: number): void {
  writeFileSync(file, `${server} ${process.pid}\n`)
}

/** @see notePid */
export function forgetPid(file: string): void {
  rmSync(file, { force: true })
}

/**
 * Deals with a server that still runs on this data. A run that was killed leaves its servers behind, and two
 * Redis servers on one folder would spoil each other's files. Only a process whose arguments name the data
 * folder is ours: a process id alone may by now be anybody's.
 * @throws Error when the run that started it is alive; the signal's reason once it is aborted
 */
export async function clearLeftover(o: {
  readonly name: string
  readonly pidFile: string
  readonly dataDir: string
  readonly stopSignal: NodeJS.Signals
  readonly report: (line: string) => void
  readonly signal: AbortSignal
}): Promise<void> {
  const [server, owner] = readPids(o.pidFile)
  const running = server === undefined ? undefined : inspect(server)
  if (server === undefined || !running?.command.includes(` ${o.dataDir} `)) return forgetPid(o.pidFile)
  if (running.parent === owner) {
    throw new Error(
      `${o.name} already runs on ${o.dataDir}: process ${server}, started by process ${owner}, which is still ` +
        'running. Stop that one first, or use another folder.',
    )
  }
  o.report(`stopping the ${o.name} that a killed run left behind (process ${server})`)
  thaw(server)
  send(server, o.stopSignal)
  if (!(await gone([server], 10_000, o.signal))) {
    const family = freeze(server)
    for (const member of family) send(member, 'SIGKILL')
    await gone(family, 5_000, o.signal)
  }
  forgetPid(o.pidFile)
}

function readPids(file: string): number[] {
  try {
    return readFileSync(file, 'utf8').trim().split(' ').map(Number).filter(Number.isSafeInteger)
  } catch {
    return [] // no such file: the last run ended in order
  }
}

/** Waits until none of the processes is there. @returns false where one still is after `ms` milliseconds */
export async function gone(pids: readonly number[], ms: number, signal?: AbortSignal): Promise<boolean> {
  for (const until = Date.now() + ms; pids.some((pid) => inspect(pid) !== undefined); ) {
    if (Date.now() > until) return false
    await sleep(20, undefined, signal === undefined ? {} : { signal })
  }
  return true
}
