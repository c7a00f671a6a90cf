import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { vi } from 'vitest'
import { aptInstall, canApt } from '../../src/dev/services/apt.js'
import { freePort } from '../../src/dev/services/port.js'

const SIGNAL = new AbortController().signal
const PATHS = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer']
/** `nobody`: PgBouncer refuses to run as root. */
const NOBODY = { uid: 65_534, gid: 65_534 }

/** A PgBouncer in transaction mode. */
export interface PgBouncer {
  /** The URL of a database, by way of PgBouncer. */
  urlOf(url: string): string
  close(): Promise<void>
}

/**
 * Starts Debian's PgBouncer in front of a server; installs it where it is missing. Each transaction gets the server
 * process that was used least recently, and there are fewer of them than clients.
 * @param url of any database of the server
 * @returns `undefined` where there is none, and none can be installed
 */
export async function startPgBouncer(url: string): Promise<PgBouncer | undefined> {
  const program = await find()
  if (program === undefined) return undefined
  const server = new URL(url)
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'tributary-pgbouncer-'))
  chmodSync(folder, 0o755)
  const users = join(folder, 'users')
  writeFileSync(users, `"${server.username}" "${server.password}"\n`)
  const file = join(folder, 'pgbouncer.ini')
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: users,
    pool_mode: 'transaction',
    default_pool_size: 3,
    server_round_robin: 1,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  const target = `* = host=${server.hostname} port=${server.port}`
  writeFileSync(file, ['[databases]', target, '[pgbouncer]', ...lines, ''].join('\n'))
  const child = spawn(program, [file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(process.getuid?.() === 0 && NOBODY),
  })
  const said: string[] = []
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const urlOf = (of: string) => {
    const through = new URL(of)
    through.host = `127.0.0.1:${port}`
    return through.href
  }
  const close = async () => {
    await ended(child)
    rmSync(folder, { recursive: true })
  }
  try {
    await vi.waitFor(() => answers(urlOf(url)), 10_000)
  } catch (error) {
    await close()
    throw new Error(`PgBouncer does not answer: ${said.join('')}`, { cause: error })
  }
  return { urlOf, close }
}

async function find(): Promise<string | undefined> {
  const found = PATHS.find((path) => existsSync(path))
  if (found !== undefined || !(await canApt(SIGNAL))) return found
  const report = (line: string) => void process.stderr.write(`${line}\n`)
  // Without the network there is none.
  await aptInstall('pgbouncer', { home: '', report, signal: SIGNAL }).catch(() => undefined)
  return PATHS.find((path) => existsSync(path))
}

async function answers(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('SELECT 1')
  await client.end()
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exit
}
