import { fork } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../src/dev/services/port.js'
import { createRig } from '../support/rig.js'
import { until } from '../support/stream.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')

test('a store that is away when its worker starts holds up no other, and readiness tells', async () => {
  const rig = await createRig()
  await rig.mongo.stop()
  const adminPort = await freePort()
  const env = {
    ...process.env,
    HOST: '127.0.0.1',
    ADMIN_PORT: String(adminPort),
    REDIS_URL: rig.redis.url,
    POSTGRES_URL: rig.postgres.url,
    MONGODB_URL: rig.mongo.url,
  }
  // The one that has to wait comes first.
  const child = fork(MAIN, ['start', 'mongo', 'postgres'], { env, stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const problems = async () => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined)
    return ((await answer?.json()) as { problems: Record<string, string> } | undefined)?.problems
  }
  await until(async () => !('postgres' in ((await problems()) ?? { postgres: 'not there yet' })), 30_000)
  expect(await problems()).toEqual({ mongo: 'it has not started yet; the log says what it waits for' })
  await rig.mongo.start()
  await until(async () => Object.keys((await problems()) ?? { not: 'there' }).length === 0, 30_000)
})
