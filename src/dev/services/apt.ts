import { existsSync } from 'node:fs'
import { run, versionOf } from './run.js'
import { type EmbeddedOptions, reason } from './service.js'

/** Whether this process can install packages: it is root and has apt-get. */
export async function canApt(signal: AbortSignal): Promise<boolean> {
  return process.getuid?.() === 0 && (await versionOf('apt-get', signal)) !== undefined
}

/** Runs installations one after the other: apt's lock makes a second one at the same time fail. */
let queue: Promise<unknown> = Promise.resolve()

/**
 * Installs one Debian or Ubuntu package. Where that fails, updates apt's package lists and tries once more.
 * @throws Error with apt's last lines; the signal's reason once it is aborted
 */
export async function aptInstall(name: string, o: EmbeddedOptions): Promise<void> {
  const turn = queue.then(() => install(name, o))
  queue = turn.catch(() => {})
  await turn
}

async function install(name: string, { report, signal }: EmbeddedOptions): Promise<void> {
  const attempt = () => apt(signal, 'install', '-y', '--no-install-recommends', name)
  report(`installing ${name} with apt-get, once`)
  try {
    await attempt()
  } catch (error) {
    signal.throwIfAborted()
    report(`apt-get cannot install ${name} yet (${reason(error).split('\n').at(-1)}); updating its lists`)
    await apt(signal, 'update')
    await attempt()
  }
}

async function apt(signal: AbortSignal, ...args: string[]): Promise<void> {
  // RUNLEVEL=1 keeps a package from starting its service.
  const environment = ['RUNLEVEL=1', 'DEBIAN_FRONTEND=noninteractive']
  // Without a network it fails soon; it waits for another apt that is running.
  const options = {
    'Acquire::Retries': 1,
    'Acquire::http::Timeout': 20,
    'Acquire::https::Timeout': 20,
    'DPkg::Lock::Timeout': 120,
  }
  const flags = Object.entries(options).map(([key, value]) => `-o=${key}=${value}`)
  await run('env', [...environment, 'apt-get', ...flags, ...args], { signal, timeoutMs: 300_000 })
}

/** Stops and disables the system service of a package, which systemd may have started although it should not. */
export async function disableService(name: string, signal: AbortSignal): Promise<void> {
  if (!existsSync('/run/systemd/system')) return
  await run('systemctl', ['disable', '--now', name], { signal, timeoutMs: 30_000 }).catch(() => {})
  signal.throwIfAborted()
}
