import { afterEach, describe, expect, it } from 'vitest'
import { type Admin, type Probe, startAdmin } from '../../src/ops/admin.js'

const open: Admin[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((admin) => admin.close()))
})

async function start(...probes: Partial<Probe>[]) {
  const stop = new AbortController()
  const admin = await startAdmin('127.0.0.1', 0, stop.signal, ['postgres'])
  open.push(admin)
  for (const probe of probes) {
    admin.add({ name: 'postgres', ready: async () => undefined, stats: () => ({}), ...probe })
  }
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${admin.port}${path}`)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { admin, stop, get }
}

describe('the admin port', () => {
  it('is not ready before every role has started', async () => {
    const { admin, get } = await start()
    const { status, body } = await get('/readyz')
    expect(status).toBe(503)
    expect(body.problems).toEqual({ postgres: 'it has not started yet; the log says what it waits for' })
    admin.add({ name: 'postgres', ready: async () => undefined, stats: () => ({}) })
    expect((await get('/readyz')).status).toBe(200)
  })

  it('says that the process lives', async () => {
    const { get } = await start()
    expect(await get('/healthz')).toEqual({ status: 200, body: { status: 'alive' } })
  })

  it('says what hangs', async () => {
    const { get } = await start({ stuck: () => undefined }, { name: 'mongo', stuck: () => 'its step hangs' })
    const body = { status: 'stuck', problems: { mongo: 'its step hangs' } }
    expect(await get('/healthz')).toEqual({ status: 503, body })
  })

  it('lives while it is not ready', async () => {
    const { get } = await start({ ready: () => Promise.reject(new Error('Postgres is away')) })
    expect([(await get('/readyz')).status, (await get('/healthz')).status]).toEqual([503, 200])
  })

  it('answers with what is read for each request, or says why not', async () => {
    const { admin } = await start()
    let reads = 0
    admin.answer('/count', async () => ({ type: 'text/plain', body: String(++reads) }))
    admin.answer('/away', () => Promise.reject(new Error('Redis is away')))
    const get = (path: string) => fetch(`http://127.0.0.1:${admin.port}${path}`)
    expect(await (await get('/count')).text()).toBe('1')
    const second = await get('/count')
    expect([await second.text(), second.headers.get('content-type')]).toEqual(['2', 'text/plain'])
    const away = await get('/away')
    expect(away.status).toBe(503)
    expect(await away.json()).toEqual({ error: 'unavailable', message: 'Redis is away' })
  })

  it('compresses what it answers where the client takes gzip, and hears what format it prefers', async () => {
    const { admin } = await start()
    admin.answer('/page', async (accept) => ({ type: 'text/plain', body: String(accept) }))
    const get = (encoding: string) =>
      fetch(`http://127.0.0.1:${admin.port}/page`, {
        headers: { accept: 'a/b', 'accept-encoding': encoding },
      })
    for (const [encoding, expected] of [
      ['gzip', 'gzip'],
      ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'gzip'],
      ['identity', null],
      ['gzip;q=0', null],
    ] as const) {
      const answer = await get(encoding)
      expect([await answer.text(), answer.headers.get('content-encoding')]).toEqual(['a/b', expected])
    }
  })

  it('is ready when every role is', async () => {
    const { get } = await start({}, { name: 'mongo' })
    expect(await get('/readyz')).toEqual({ status: 200, body: { status: 'ready', problems: {} } })
  })

  it('names who is not ready, and why', async () => {
    const { get } = await start(
      {},
      { name: 'mongo', ready: () => Promise.reject(new Error('MongoDB is away')) },
    )
    const body = { status: 'not ready', problems: { mongo: 'MongoDB is away' } }
    expect(await get('/readyz')).toEqual({ status: 503, body })
  })

  it('does not wait for a check that hangs, and tells it to end', async () => {
    let told: unknown
    const { get } = await start({
      ready: (signal) => {
        signal.addEventListener('abort', () => {
          told = signal.reason
        })
        return new Promise(() => undefined)
      },
    })
    const { status, body } = await get('/readyz')
    expect([status, body.problems]).toEqual([503, { postgres: 'no answer within 2 s' }])
    expect(told).toBeInstanceOf(DOMException)
  })

  it('is not ready any more once it stops, but alive', async () => {
    const { get, stop } = await start({})
    stop.abort()
    const body = { status: 'not ready', problems: { process: 'stopping' } }
    expect(await get('/readyz')).toEqual({ status: 503, body })
    expect((await get('/healthz')).status).toBe(200)
  })

  it('shows the figures of each role', async () => {
    const { get } = await start({ stats: () => ({ acknowledged: 5 }) }, { name: 'edge', stats: () => null })
    expect(await get('/stats')).toEqual({ status: 200, body: { postgres: { acknowledged: 5 }, edge: null } })
  })

  it('takes a query for no part of the path, and tells what there is', async () => {
    const { get } = await start()
    expect((await get('/healthz?from=probe')).status).toBe(200)
    for (const path of ['/', '/healthz/', '/constructor', '/__proto__']) {
      const { status, body } = await get(path)
      expect([status, body.message]).toEqual([404, 'Try one of /healthz, /readyz, /stats'])
    }
  })

  it('names ADMIN_PORT where the port is taken', async () => {
    const { admin } = await start()
    const signal = new AbortController().signal
    await expect(startAdmin('127.0.0.1', admin.port, signal)).rejects.toThrow(
      `Port ${admin.port} is taken. Set ADMIN_PORT`,
    )
  })
})
