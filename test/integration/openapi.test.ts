import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { secretsVariable } from '../../src/config.js'
import { type RoleProcess, startRole } from '../../src/dev/roles.js'
import { freePort } from '../../src/dev/services/port.js'
import { pythonEnvironment } from '../../src/dev/services/python.js'
import type { OpenApi } from '../../src/edge/openapi/document.js'
import { freshName } from '../support/fresh.js'

const ROOT = resolve(import.meta.dirname, '../..')
const SECRET = 'test-secret'
const SCHEMATHESIS = {
  name: 'schemathesis',
  version: '4.32.5',
  about: 'tests an API by its description, 60 MB',
}
const NEVER = new AbortController().signal

let edge: RoleProcess
let port: number
beforeAll(async () => {
  port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'tributary-openapi-'))
  const env = {
    ...process.env,
    ...Object.fromEntries(CONTRACTS.map(({ name }) => [secretsVariable(name), SECRET])),
    HOST: '127.0.0.1',
    PORT: String(port),
    REDIS_URL: inject('services').redisUrl,
    STREAM_PREFIX: freshName('openapi'),
    PARTITIONS: '2',
    // 10,000 events are valid, and may be large: how many bytes a body may have no schema can say.
    MAX_BODY_BYTES: '16777216',
  }
  const options = { main: join(ROOT, 'dist/src/cli/main.js'), role: 'edge', env }
  const logFile = join(folder, 'edge.log')
  edge = await startRole({ ...options, logFile, onWarning: () => undefined }, NEVER)
})
afterAll(() => edge.kill('SIGKILL'))

const descriptionUrl = () => `http://127.0.0.1:${edge.adminPort}/openapi.json`

test('a running edge serves its description on its admin port', async () => {
  const answer = await fetch(descriptionUrl())
  expect(answer.headers.get('content-type')).toBe('application/json')
  const { paths, servers } = (await answer.json()) as OpenApi
  expect(Object.keys(paths)).toEqual(CONTRACTS.map(({ path }) => path))
  expect(servers).toMatchObject([{ variables: { host: { default: `localhost:${port}` } } }])
})

test('schemathesis finds nothing that the edge does otherwise than it says', async (context) => {
  const home = join(ROOT, '.tributary')
  const report = (line: string) => void process.stderr.write(`${line}\n`)
  const bin = await pythonEnvironment(SCHEMATHESIS, { home, report, signal: NEVER }).catch((error: Error) => {
    report(`schemathesis cannot be installed, so nothing is tested with it: ${error.message}`)
    return context.skip(error.message)
  })
  const schemes = CONTRACTS.map(({ path, authentication }) => [path, authentication])
  const env = {
    ...process.env,
    SCHEMATHESIS_HOOKS: join(ROOT, 'test/support/schemathesis/sign.py'),
    SIGNING_SCHEMES: JSON.stringify(Object.fromEntries(schemes)),
    SIGNING_SECRET: SECRET,
  }
  const args = [
    ...[join(bin, 'schemathesis'), 'run', descriptionUrl(), `--url=http://127.0.0.1:${port}`],
    ...['--checks=all', '--phases=examples,coverage,fuzzing', '--max-examples=50', '--continue-on-failure'],
    ...[
      '--generation-deterministic',
      '--generation-with-security-parameters=false',
      '--no-color',
      '--max-response-time=2',
    ],
  ]
  const cwd = mkdtempSync(join(tmpdir(), 'tributary-schemathesis-'))
  const { code, output } = await new Promise<{ code: unknown; output: string }>((done) => {
    execFile(
      join(bin, 'python'),
      args,
      { env, cwd, maxBuffer: 2 ** 26, timeout: 150_000, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => done({ code: error?.code ?? 0, output: `${stdout}${stderr}` }),
    )
  })
  // It shows bodies of megabytes.
  expect(
    code,
    output.replace(/.{500,}/g, (line) => `${line.slice(0, 500)} ...`),
  ).toBe(0)
  expect(output).toMatch(new RegExp(`Tested:\\s+${CONTRACTS.length}`))
  expect((await fetch(`http://127.0.0.1:${edge.adminPort}/readyz`)).status).toBe(200)
}, 300_000)
