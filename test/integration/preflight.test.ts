import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest'
import { readConfig } from '../../src/config.js'
import { preflight, type Room } from '../../src/dev/preflight.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')
const ROOM: Room = { memory: 8_000, disk: 8_000 }
const freshHome = () => mkdtempSync(join(tmpdir(), 'tributary-preflight-'))

/** What stands in the way of a start, one a line. */
async function obstacles(env: Record<string, string>, room = ROOM, home = freshHome()): Promise<string[]> {
  const { redisUrl, postgresUrl } = inject('services')
  const config = readConfig({ REDIS_URL: redisUrl, POSTGRES_URL: postgresUrl, ...env })
  return await preflight(config, home, new AbortController().signal, room).then(
    () => [],
    (error: Error) => error.message.split('\n'),
  )
}

describe('before a start', () => {
  it('nothing is found where all is well', async () => {
    expect(await obstacles({})).toEqual([])
  })

  it.each([
    [
      'too little memory',
      {},
      { ...ROOM, memory: 500 },
      /^There are 500 MB of memory, .* need 1000 MB\. Give /,
    ],
    [
      'too little disk',
      {},
      { ...ROOM, disk: 100 },
      /^There are 100 MB of disk .* Make room, or set TRIBUTARY_HOME/,
    ],
    [
      'a Redis that does not answer',
      { REDIS_URL: 'redis://127.0.0.1:1' },
      ROOM,
      /^REDIS_URL is set to .* Start it/,
    ],
    [
      'a Postgres that does not answer',
      { POSTGRES_URL: 'postgres://127.0.0.1:1/a' },
      ROOM,
      /^POSTGRES_URL is set to/,
    ],
  ] as const)('%s is found', async (_, env, room, expected) => {
    expect(await obstacles(env, room)).toEqual([expect.stringMatching(expected)])
  })

  it('a Redis that is nowhere is found, with the way to it on each system', async () => {
    vi.stubEnv('PATH', '/nowhere')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await obstacles({ REDIS_URL: '', EMBEDDED_REDIS: 'path' })).toEqual([
      expect.stringMatching(
        /^Redis is needed, and neither .* is on PATH\. Set REDIS_URL .*apt-get.*brew install redis.*dnf/,
      ),
    ])
  })

  it('a folder that cannot be written to is found', async () => {
    const found = await obstacles({ POSTGRES_URL: '' }, ROOM, '/etc/passwd/tributary')
    // In one line: without the folder, what else is asked of it can only fail.
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(
      /^The folder \/etc\/passwd\/tributary cannot be written to .* Set TRIBUTARY_HOME/,
    )
  })

  it('all of it is said at once', async () => {
    const env = { REDIS_URL: 'redis://127.0.0.1:1', POSTGRES_URL: 'postgres://127.0.0.1:1/a' }
    expect(await obstacles(env, { memory: 1, disk: 1 })).toHaveLength(4)
  })
})

describe('`tributary dev`', () => {
  it.each(['PORT', 'ADMIN_PORT'])(
    'ends before it installs or migrates anything where %s is taken',
    async (name) => {
      const taken = createServer().listen(0, '0.0.0.0')
      await once(taken, 'listening')
      onTestFinished(() => void taken.close())
      const address = taken.address()
      const port = typeof address === 'object' && address ? String(address.port) : ''
      const home = freshHome()
      const env = { ...process.env, PORT: '0', ADMIN_PORT: '0', [name]: port, TRIBUTARY_HOME: home }
      const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, 'dev', '--for', '1s'], { env })
      expect([status, String(stderr)]).toEqual([
        1,
        expect.stringContaining(`Port ${port} of 0.0.0.0 cannot be used`),
      ])
      expect(String(stderr)).toContain(`The variable is ${name}`)
      expect(String(stdout)).not.toContain('Starting the servers')
      expect(readdirSync(home)).toEqual([])
    },
  )
})
