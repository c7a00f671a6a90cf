import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startMongo } from '../../src/dev/services/mongo.js'
import { askPostgres } from '../../src/dev/services/ping.js'
import { startPostgres } from '../../src/dev/services/postgres.js'
import { inspect } from '../../src/dev/services/processes.js'
import { startRedis } from '../../src/dev/services/redis.js'
import { versionOf } from '../../src/dev/services/run.js'
import { type OwnServers, ownServers } from '../support/own.js'

let own: OwnServers
let reported: string[]
beforeEach(() => {
  reported = []
  own = ownServers((line) => {
    reported.push(line)
  })
})
afterEach(() => own.end())

const folder = () => own.options.data ?? own.options.home
const pidsOf = (name: string) =>
  readFileSync(join(folder(), `${name}.pid`), 'utf8')
    .trim()
    .split(' ')
    .map(Number)

async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { retryStrategy: () => null })
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}

async function withMongo<T>(url: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(url)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** How each store is started here, written to, and read from. */
const stores = {
  redis: {
    start: () => own.redis(),
    write: (url: string) =>
      withRedis(url, async (redis) => {
        await redis.set('k', 'kept')
        await sleep(1_500) // appendfsync everysec
      }),
    read: (url: string) => withRedis(url, (redis) => redis.get('k')),
  },
  postgres: {
    start: () => own.postgres(),
    write: (url: string) => askPostgres(url, 'CREATE TABLE t (v text)', "INSERT INTO t VALUES ('kept')"),
    read: async (url: string) => (await askPostgres(url, 'SELECT v FROM t'))?.rows[0]?.v,
  },
  mongodb: {
    start: () => own.mongo(),
    write: (url: string) => withMongo(url, (c) => c.db('d').collection('c').insertOne({ v: 'kept' })),
    read: (url: string) => withMongo(url, async (c) => (await c.db('d').collection('c').findOne())?.v),
  },
}

describe.each(Object.entries(stores))('%s', (name, store) => {
  test('keeps its data through SIGKILL and through a stop, on the same port', async () => {
    const service = await store.start()
    expect(service.chose).toContain(folder())
    await store.write(service.url)
    await service.kill()
    expect(existsSync(join(folder(), `${name}.pid`))).toBe(false)
    await service.start()
    expect(await store.read(service.url)).toBe('kept')
    await service.stop()
    await service.stop()
    await service.start()
    expect(await store.read(service.url)).toBe('kept')
    expect(reported.filter((line) => line.includes('by itself'))).toEqual([])
  })

  test('is not started twice on one folder, and one left over by a killed run is replaced', async () => {
    const first = await store.start()
    await store.write(first.url)
    const [server, owner] = pidsOf(name)
    await expect(store.start()).rejects.toThrow(
      `process ${server}, started by process ${owner}, which is still running`,
    )
    // The owner of a server that was left over is gone: any other number than its parent's stands for that.
    writeFileSync(join(folder(), `${name}.pid`), `${server} 999999\n`)
    const second = await store.start()
    expect(reported).toContain(`stopping the ${name} of an earlier run that was killed (process ${server})`)
    expect(inspect(server ?? 0)).toBeUndefined()
    expect(await store.read(second.url)).toBe('kept')
  })

  test('can be paused and resumed', async () => {
    const service = await store.start()
    await store.write(service.url)
    service.pause()
    const read = store.read(service.url)
    expect(await Promise.race([read, sleep(300, 'paused')])).toBe('paused')
    service.resume()
    expect(await read).toBe('kept')
    service.pause() // and a frozen server can be stopped
    await service.stop()
  })
})

describe('what a person reads', () => {
  test('an unknown choice lists the choices', async () => {
    const o = { ...own.options, choice: 'docker' }
    await expect(startRedis(o)).rejects.toThrow('"docker" is not a way to get Redis; use one of path, apt')
    await expect(startPostgres(o)).rejects.toThrow('use one of npm, system')
    await expect(startMongo(o)).rejects.toThrow('use one of mongod, memory-server, secantusdb, none')
  })

  test('a URL where nothing answers names the setting, the cause and the remedy, and no password', async () => {
    const start = (url: string) => ({ ...own.options, url })
    await expect(startRedis(start('redis://:secret@127.0.0.1:1'))).rejects.toThrow(
      /REDIS_URL is set to redis:\/\/:\*\*\*@127\.0\.0\.1:1, but .* ECONNREFUSED .*unset it/,
    )
    await expect(startPostgres(start('postgres://me:secret@127.0.0.1:1/x'))).rejects.toThrow(
      /POSTGRES_URL is set to postgres:\/\/me:\*\*\*@127\.0\.0\.1:1\/x, but .* ECONNREFUSED/,
    )
    await expect(startMongo(start('mongodb://127.0.0.1:1'))).rejects.toThrow(/MONGODB_URL .* ECONNREFUSED/)
  })

  test('no MongoDB, when chosen, is said and is no error', async () => {
    expect(await startMongo({ ...own.options, choice: 'none' })).toBeUndefined()
    expect(reported).toEqual(['MongoDB is left out, as EMBEDDED_MONGODB asks: nothing is written to it'])
  })

  test('a port that is taken is named', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const port = Object(other.address()).port
    await expect(own.redis({ port })).rejects.toThrow(`Port ${port} of 127.0.0.1 cannot be used`)
    other.close()
  })

  test("a server that does not come up fails with its log's last lines", async () => {
    mkdirSync(join(folder(), 'redis', 'appendonlydir'), { recursive: true })
    writeFileSync(join(folder(), 'redis', 'appendonlydir', 'appendonly.aof.manifest'), 'no manifest\n')
    await expect(own.redis()).rejects.toThrow(/redis .* ended before it answered[\s\S]*Invalid AOF manifest/)
  })

  test('a server that ends by itself is reported', async () => {
    const redis = await own.redis()
    await withRedis(redis.url, (client) => client.shutdown().catch(() => {}))
    await expect.poll(() => reported.at(-1)).toMatch(/redis ended by itself \(code 0\); see .*redis\.log/)
  })
})

test('a server that was there is used and left alone', async () => {
  const redis = await own.redis()
  const guest = await startRedis({ ...own.options, url: redis.url })
  expect(guest.chose).toBe(`redis at ${redis.url}, as REDIS_URL says`)
  await guest.stop()
  expect(() => guest.pause()).toThrow('does not pause it')
  await expect(guest.kill()).rejects.toThrow('does not kill it')
  expect(await withRedis(redis.url, (client) => client.ping())).toBe('PONG')
})

test('an abort ends the starting, and nothing stays behind', async () => {
  const abort = new AbortController()
  const starting = own.mongo({ signal: abort.signal, choice: 'secantusdb' })
  await expect.poll(() => existsSync(join(folder(), 'mongodb.pid'))).toBe(true)
  const [server] = pidsOf('mongodb')
  abort.abort(new Error('enough'))
  await expect(starting).rejects.toThrow('enough')
  expect(inspect(server ?? 0)).toBeUndefined()
})

test.runIf(process.getuid?.() === 0).for(['npm', 'system'])(
  'root gets Postgres (%s) below a folder that only root can enter',
  async (choice, { skip }) => {
    const present =
      existsSync('/usr/lib/postgresql') || (await versionOf('postgres', own.options.signal)) !== undefined
    skip(choice === 'system' && !present, 'this system has no Postgres of its own')
    chmodSync(folder(), 0o700)
    const data = join(folder(), 'deep', 'data')
    const postgres = await own.postgres({ data, choice })
    await askPostgres(postgres.url, 'CREATE TABLE t (v int)')
    await postgres.kill()
    await postgres.start()
    expect((await askPostgres(postgres.url, 'SELECT current_database() AS name'))?.rows[0]?.name).toBe(
      'tributary',
    )
  },
)
