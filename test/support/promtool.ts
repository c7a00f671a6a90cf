import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { canApt } from '../../src/dev/services/apt.js'
import { run, versionOf } from '../../src/dev/services/run.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of Prometheus' `promtool`: `inject('promtool')`. `undefined` where it cannot be had: skip then. */
    promtool: string | undefined
  }
}

const DOWNLOADS = resolve(import.meta.dirname, '../../.tributary')
const OWN = join(DOWNLOADS, 'bin/promtool')
const { signal } = new AbortController()

/** Finds promtool, or takes it out of Debian's package without installing the server that comes with it. */
export default async function setup(project: TestProject): Promise<void> {
  project.provide('promtool', await findPromtool())
}

async function findPromtool(): Promise<string | undefined> {
  for (const command of ['promtool', OWN]) {
    if ((await versionOf(command, signal)) !== undefined) return command
  }
  try {
    if (!(await canApt(signal))) throw new Error('it is not on PATH, and only root with apt-get can fetch it')
    return await fetchPromtool()
  } catch (error) {
    process.stderr.write(`Without promtool the tests that need it are skipped: ${String(error)}\n`)
    return undefined
  }
}

async function fetchPromtool(): Promise<string> {
  mkdirSync(join(DOWNLOADS, 'bin'), { recursive: true })
  const folder = mkdtempSync(join(DOWNLOADS, 'promtool-'))
  const options = { signal, cwd: folder, timeoutMs: 120_000 }
  const download = () => run('apt-get', ['-o', 'Acquire::Retries=1', 'download', 'prometheus'], options)
  try {
    await download().catch(async () => {
      await run('apt-get', ['update'], options)
      await download()
    })
    const [archive = ''] = readdirSync(folder)
    await run('dpkg-deb', ['-x', archive, 'content'], options)
    // Another test run may do the same at this moment: the last one wins, and both have it whole.
    renameSync(join(folder, 'content/usr/bin/promtool'), OWN)
    return OWN
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
