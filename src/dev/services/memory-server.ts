import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { lastLines } from './run.js'
import type { EmbeddedOptions } from './service.js'

/** Version of the mongod that is downloaded. */
const MONGOD = '8.2.6'

/** A download that gets no byte for this time, in ms, is given up. */
const STALLED_MS = 10_000

/**
 * The path of a real mongod, downloaded once below `home` by the package `mongodb-memory-server-core`.
 * The download runs in its own process, because it can be stopped in no other way.
 * @throws Error when the package is not installed, or no byte arrives for 10 s; the signal's reason once aborted
 */
export async function downloadMongod(o: EmbeddedOptions): Promise<string> {
  const folder = join(o.home, 'mongod')
  const script = `
    try {
      const { MongoBinary } = (await import(${JSON.stringify(packageUrl())})).default
      console.log('path ' + (await MongoBinary.getPath(${JSON.stringify({ version: MONGOD, downloadDir: folder })})))
    } catch (error) {
      console.log(error.message)
    }`
  mkdirSync(folder, { recursive: true })
  if (readdirSync(folder).length === 0) o.report(`downloading mongod ${MONGOD}, about 100 MB, once`)
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ended = new AbortController()
  const exit = once(child, 'close').finally(() => ended.abort())
  try {
    await Promise.race([exit, stalled(folder, AbortSignal.any([o.signal, ended.signal]))])
  } finally {
    child.kill('SIGKILL')
  }
  o.signal.throwIfAborted()
  const path = /^path (.+)$/m.exec(output)?.[1]
  if (path !== undefined && existsSync(path)) return path
  throw new Error(`mongod ${MONGOD} cannot be downloaded: ${lastLines(output, 3) || 'no data arrives'}`)
}

function packageUrl(): string {
  try {
    return pathToFileURL(createRequire(import.meta.url).resolve('mongodb-memory-server-core')).href
  } catch {
    throw new Error('the package mongodb-memory-server-core is not installed')
  }
}

/** Resolves when nothing has been added to a folder for {@link STALLED_MS}. */
async function stalled(folder: string, signal: AbortSignal): Promise<void> {
  let size = -1
  for (let since = Date.now(); Date.now() - since < STALLED_MS; ) {
    const now = sizeOf(folder)
    if (now !== size) since = Date.now()
    size = now
    await sleep(250, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
  }
}

function sizeOf(folder: string): number {
  const sizes = readdirSync(folder).map((name) => {
    try {
      return statSync(join(folder, name)).size
    } catch {
      return 0 // renamed or removed while we looked
    }
  })
  return sizes.reduce((sum, size) => sum + size, 0)
}
