import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { freeze, inspect, send, thaw } from './processes.js'

/** Writes to a file which server runs on a data folder, and who started it: "<server's pid> <our pid>". */
export function notePid(file: string, server: number): void {
  writeFileSync(file, `${server} ${process.pid}\n`)
}

/** Removes the file of {@link notePid}. */
export function forgetPid(file: string): void {
  rmSync(file, { force: true })
}

/**
 * Stops a server that still runs on this data folder. When a run is killed, its servers go on running, and two Redis
 * servers on one folder would damage each other's files. A process counts as ours only if its arguments name the data
 * folder: another process may have the noted id by now.
 * @throws Error where the run that started the server is still running; the signal's reason once it is aborted
 */
export async function stopStaleServer(o: {
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
  o.report(`stopping the ${o.name} of an earlier run that was killed (process ${server})`)
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
    return [] // no such file: the last run ended normally
  }
}

/** Waits until all processes have ended. @returns false where one still runs after `ms` milliseconds */
export async function gone(pids: readonly number[], ms: number, signal?: AbortSignal): Promise<boolean> {
  for (const until = Date.now() + ms; pids.some((pid) => inspect(pid) !== undefined); ) {
    if (Date.now() > until) return false
    await sleep(20, undefined, signal === undefined ? {} : { signal })
  }
  return true
}
