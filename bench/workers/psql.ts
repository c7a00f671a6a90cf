import { execFile } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { contacts } from '../../schemas/cdc.js'
import { aptInstall, canApt } from '../../src/dev/services/apt.js'
import { versionOf } from '../../src/dev/services/run.js'
import { openDatabase, withConnection } from '../../src/sinks/postgres/connection.js'
import { encodeRow } from '../../src/sinks/postgres/encode.js'
import type { Layout } from '../../src/sinks/postgres/layout.js'
import { readLayouts } from '../../src/sinks/postgres/layouts.js'
import {
  begin,
  copyStatement,
  createStage,
  executeJoin,
  prepareJoin,
} from '../../src/sinks/postgres/statements.js'
import { batchesOf } from './batches.js'
import type { Backlog } from './workload.js'

const NEVER = new AbortController().signal

/** Whether there is a psql, or one could be installed. */
export async function hasPsql(say: (line: string) => void): Promise<boolean> {
  if ((await versionOf('psql', NEVER)) !== undefined) return true
  if (!(await canApt(NEVER))) return false
  await aptInstall('postgresql-client', { home: '', report: say, signal: NEVER })
  return (await versionOf('psql', NEVER)) !== undefined
}

/**
 * The ceiling of the Postgres worker: `psql` sends the same rows by COPY, in the same batches, and joins them by the
 * same statement. Everything is in a file before; nothing is read, decoded, acknowledged or checked.
 * @returns rows a second
 */
export async function runPsql(url: string, backlog: Backlog): Promise<number> {
  const layout = await layoutOf(url)
  const folder = mkdtempSync(join(tmpdir(), 'tributary-bench-'))
  try {
    const file = join(folder, 'batches.sql')
    write(file, layout, backlog)
    const begun = performance.now()
    await promisify(execFile)('psql', [
      '-X',
      '-q',
      '-v',
      'ON_ERROR_STOP=1',
      '-o',
      '/dev/null',
      '-f',
      file,
      url,
    ])
    return backlog.count / ((performance.now() - begun) / 1_000)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function layoutOf(url: string): Promise<Layout> {
  const database = openDatabase({ url, poolSize: 1, queryTimeoutMs: 0 })
  try {
    const layouts = await withConnection(database, 'read its layout', NEVER, (connection) =>
      readLayouts(connection, [contacts], () => undefined),
    )
    const layout = layouts.get('contacts')
    if (!layout) throw new Error('there is no table contacts')
    return layout
  } finally {
    await database.$pool.end()
  }
}

function write(file: string, layout: Layout, backlog: Backlog): void {
  const out = openSync(file, 'w')
  writeSync(out, `${createStage(layout, 'DELETE ROWS')};\n${prepareJoin(layout)};\n`)
  for (const changes of batchesOf('postgres', backlog)) {
    const rows = changes.map(({ key, state }) => `${encodeRow(layout, key, state)}\n`)
    writeSync(
      out,
      `${begin([layout], 30_000)};\n${copyStatement(layout)};\n${rows.join('')}\\.\n${executeJoin(layout)};\nCOMMIT;\n`,
    )
  }
  closeSync(out)
}
