import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { CONTRACTS } from '../../schemas/index.js'
import { environment, secretsVariable } from '../../src/config.js'
import { startRole } from '../../src/dev/roles.js'
import type { Service } from '../../src/dev/services/service.js'
import { type Durability, openConfirmations } from '../../src/stream/durability.js'
import { openEdge, post, SECRET, type TestEdge } from '../support/edge.js'
import { startProxy } from '../support/proxy.js'
import { answered, ask, missingIn, ownRedis, portOf, startTraffic } from '../support/redis-servers.js'

const SYNCED: Durability = { mode: 'synced', replicas: 1, timeoutMs: 1_000 }
const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')

async function open(url: string): Promise<TestEdge> {
  const own = await openEdge(url, { durability: SYNCED })
  onTestFinished(() => own.end())
  return own
}

/** Why `synced` is not possible with a server. */
async function refusal(server: Pick<Service, 'url'>): Promise<string> {
  return await ask(server, (redis) => openConfirmations(redis, SYNCED)).then(
    () => 'it can be had',
    (error: Error) => error.message,
  )
}

async function statuses({ edge }: TestEdge): Promise<number[]> {
  const bodies = ['{"id":"e","type":"t"}', 'no json']
  return await Promise.all(bodies.map(async (body) => (await post(edge, dataAction, body)).status))
}

describe('synced', () => {
  test('nothing acknowledged is lost when Redis is killed and started again', async () => {
    const redis = await ownRedis({ appendfsync: 'always' })
    const own = await open(redis.url)
    const traffic = startTraffic(own)
    await sleep(2_000)
    await redis.kill()
    await sleep(200)
    await redis.start()
    await answered(own, 202)
    await traffic.stop()
    expect(traffic.acknowledged.size).toBeGreaterThan(100)
    expect(traffic.answers.get(400)).toBeGreaterThan(10)
    expect(await missingIn(redis, own.keys, traffic)).toEqual([])
  })

  test('is refused at the start by a server that does not sync, or does not let us see', async () => {
    const redis = await ownRedis()
    expect(await refusal(redis)).toContain('appendonly is yes, appendfsync is everysec. Set appendonly yes')
    await ask(redis, async (admin) => {
      await admin.config('SET', 'appendfsync', 'always')
      await admin.acl('SETUSER', 'app', 'on', '>secret', '~*', '+@all', '-config')
    })
    expect(await refusal(redis)).toBe('it can be had')
    const url = redis.url.replace('//', '//app:secret@')
    expect(await refusal({ url })).toMatch(/CONFIG is refused there.*NOPERM.*permit CONFIG GET/)
    await ask(redis, (admin) => admin.config('SET', 'appendonly', 'no'))
    expect(await refusal(redis)).toContain('appendonly is no')
    expect(await refusal(redis)).toContain(`127.0.0.1:${portOf(redis)}`)
  })

  test('ends a role that cannot keep it', async () => {
    const redis = await ownRedis()
    const secrets = CONTRACTS.map(({ name }) => [secretsVariable(name), SECRET])
    const own = { REDIS_URL: redis.url, DURABILITY: 'synced', HOST: '127.0.0.1', PORT: '0' }
    const env = { ...environment(), ...Object.fromEntries(secrets), ...own }
    const options = { main: MAIN, role: 'edge', env, logFile: '/dev/null', onWarning: () => {} }
    const starting = startRole(options, AbortSignal.timeout(30_000))
    await expect(starting).rejects.toThrow('DURABILITY=synced is not possible with Redis at 127.0.0.1')
  })

  test('is never claimed of a server that is set up anew while it runs', async () => {
    const redis = await ownRedis({ appendfsync: 'always' })
    const own = await open(redis.url)
    expect(await statuses(own)).toEqual([202, 400])
    for (const [name, bad, good] of [
      ['appendfsync', 'everysec', 'always'],
      ['appendonly', 'no', 'yes'],
    ] as const) {
      await ask(redis, (admin) => admin.config('SET', name, bad))
      expect(await statuses(own)).toEqual([503, 503])
      expect(String(own.errors.at(-1))).toMatch(new RegExp(`${name} is ${bad}|appendonly is disabled`))
      await ask(redis, (admin) => admin.config('SET', name, good))
      await answered(own, 202)
    }
  })

  test('is never claimed of another server that takes the place of the first', async () => {
    const [first, second] = await Promise.all([
      ownRedis({ appendfsync: 'always' }),
      ownRedis({ appendonly: 'no' }),
    ])
    const target = { host: '127.0.0.1', port: portOf(first) }
    const address = await startProxy(target)
    onTestFinished(() => address.close())
    const own = await open(`redis://127.0.0.1:${address.port}`)
    expect(await statuses(own)).toEqual([202, 400])
    target.port = portOf(second)
    address.cut()
    address.restore()
    while (!String(own.errors.at(-1)).includes('appendonly is')) {
      expect(await statuses(own)).toEqual([503, 503])
      await sleep(50)
    }
    target.port = portOf(first)
    address.cut()
    address.restore()
    await answered(own, 202)
  })

  test('asks WAITAOF too, where the server has it', async ({ skip }) => {
    const redis = await ownRedis({ appendfsync: 'always' })
    const [about] = (await ask(redis, (client) => client.call('COMMAND', 'INFO', 'waitaof'))) as unknown[]
    if (about === null) skip('the redis-server on PATH has no WAITAOF')
    const own = await open(redis.url)
    expect(await statuses(own)).toEqual([202, 400])
    const calls = await ask(redis, (client) => client.info('commandstats'))
    // One at the start, one for each of the two.
    expect(calls).toMatch(/cmdstat_waitaof:calls=3,/)
  })
})
