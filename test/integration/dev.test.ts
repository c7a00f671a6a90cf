import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'

const ROOT = resolve(import.meta.dirname, '../..')

/** `npm start -- <args>` with a folder and ports of its own. */
async function npmStart(args: string[], ports?: { PORT: string; ADMIN_PORT: string }) {
  const home = mkdtempSync(join(tmpdir(), 'tributary-dev-'))
  // What the test run has installed once serves here, too.
  symlinkSync(join(ROOT, '.tributary/secantusdb-0.7.0b3'), join(home, 'secantusdb-0.7.0b3'))
  const env = {
    ...process.env,
    ...(ports ?? { PORT: '0', ADMIN_PORT: '0' }),
    TRIBUTARY_HOME: home,
    EMBEDDED_MONGODB: 'secantusdb',
    REDIS_URL: '',
    POSTGRES_URL: '',
    MONGODB_URL: '',
  }
  const child: ChildProcess = spawn(process.execPath, ['dist/src/cli/main.js', 'dev', ...args], {
    cwd: ROOT,
    env,
  })
  let output = ''
  child.stdout?.on('data', (chunk) => (output += chunk))
  child.stderr?.on('data', (chunk) => (output += chunk))
  const exited = new Promise<number | null>((done) => child.once('exit', done))
  onTestFinished(async () => {
    // An interrupted run stops its servers; a killed one would leave them behind.
    child.kill('SIGINT')
    const last = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await exited
    clearTimeout(last)
    rmSync(home, { recursive: true, force: true })
  })
  return { output: () => output, exited, stop: () => child.kill('SIGINT') }
}

test('npm start -- --for 4s sends, drains, prints a ledger that balances, and exits with 0', async () => {
  const run = await npmStart(['--for', '4s', '--rate', '30', '--seed', '11'])
  expect(await run.exited, run.output()).toBe(0)
  expect(run.output()).toMatch(/First event in postgres after [\d.]+ s/)
  expect(run.output()).toMatch(/^postgres( +\d+){6}$/m)
  expect(run.output()).toMatch(/^mongo( +\d+){6}$/m)
  expect(run.output()).toMatch(/^feed( +\d+){6}$/m)
  expect(run.output()).toContain('It balances')
})

test('npm start -- --no-traffic prints curl lines that work when pasted; Ctrl-C ends it', async () => {
  const run = await npmStart(['--no-traffic'])
  await expect.poll(run.output, { timeout: 60_000 }).toContain('Ctrl-C stops')
  const lines = run
    .output()
    .split('\n')
    .filter((line) => line.startsWith('curl '))
  expect(lines).toHaveLength(CONTRACTS.length)
  for (const line of lines) {
    const { stdout } = await promisify(execFile)('bash', ['-c', line])
    expect(stdout).toMatch(/^HTTP\/1.1 202 /)
    expect(stdout).toContain('{"status":"accepted"}')
  }
  run.stop()
  expect(await run.exited).toBe(0)
})

test.each(['PORT', 'ADMIN_PORT'] as const)(
  'a taken %s is named, and everything is stopped again',
  async (name) => {
    const squatter = createServer().listen(0, '0.0.0.0')
    await once(squatter, 'listening')
    onTestFinished(() => void squatter.close())
    const taken = String((squatter.address() as { port: number }).port)
    const ports = { PORT: '0', ADMIN_PORT: '0', [name]: taken }
    const run = await npmStart(['--for', '1s'], ports)
    expect(await run.exited).toBe(1)
    expect(run.output()).toContain(name)
    expect(run.output()).toContain(taken)
  },
)
