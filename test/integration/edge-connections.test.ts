import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import type { EdgeOptions } from '../../src/edge/server.js'
import { lengthOf, openEdge, post, RawConnection, rawPost, type TestEdge } from '../support/edge.js'

const EVENT = '{"id":"e-1","type":"t"}'

/** Waits until something holds. @throws Error after 5 s */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 5_000; !(await holds()); await sleep(5)) {
    if (Date.now() > end) throw new Error(`waited in vain for ${holds}`)
  }
}

describe('a connection', () => {
  let test: TestEdge
  const open = async (options: Partial<EdgeOptions> = {}) => {
    test = await openEdge(inject('services').redisUrl, options)
    return { ...test, raw: () => new RawConnection(test.edge.port) }
  }
  afterEach(() => test.end())

  it.each([
    ['Content-Length twice', `${lengthOf(EVENT)}${lengthOf(EVENT)}`, EVENT],
    ['two different ones', `${lengthOf(EVENT)}Content-Length: 5\r\n`, EVENT],
    ['another encoding than chunks', 'Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'],
  ])('with %s is answered 400 and closed', async (_, headers, body) => {
    const { raw, entries, letters } = await open()
    const connection = raw()
    connection.socket.write(rawPost(dataAction, body, headers))
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
    expect(connection.received).toMatch(/\r\nConnection: close\r\n[\s\S]*\{"error":"ambiguous_length",/)
    expect([await entries(), await letters()]).toEqual([[], []])
  })

  it('with a length and chunks is closed', async () => {
    const { raw, entries } = await open()
    const connection = raw()
    connection.socket.write(rawPost(dataAction, EVENT, `${lengthOf(EVENT)}Transfer-Encoding: chunked\r\n`))
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1.1 400 /)
    expect(await entries()).toEqual([])
  })

  it('that expects 100 gets it, and then its answer', async () => {
    const { raw } = await open()
    const connection = raw()
    const bytes = rawPost(dataAction, EVENT, `${lengthOf(EVENT)}Expect: 100-continue\r\n`)
    connection.socket.write(bytes.slice(0, -EVENT.length))
    await until(() => connection.received === 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.socket.write(EVENT)
    await until(() => connection.received.includes('HTTP/1.1 202 Accepted'))
    connection.socket.destroy()
  })

  it('whose body comes in parts is answered, and used again', async () => {
    const { raw, entries } = await open()
    const connection = raw()
    connection.socket.setNoDelay(true)
    const bytes = rawPost(dataAction, EVENT)
    for (let round = 1; round <= 2; round++) {
      for (let at = 0; at < bytes.length; at += 60) {
        connection.socket.write(bytes.slice(at, at + 60))
        await sleep(2)
      }
      await until(() => connection.received.split('HTTP/1.1 202').length === round + 1)
    }
    expect((await entries()).map(({ body }) => body.toString())).toEqual([EVENT, EVENT])
    connection.socket.destroy()
  })

  it('whose body takes too long is answered 408 and closed', async () => {
    const { raw, edge, entries } = await open({ bodyTimeoutMs: 150 })
    const connection = raw()
    connection.socket.write(rawPost(dataAction, EVENT).slice(0, -3))
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n[\s\S]*\{"error":"body_too_slow",/)
    expect(connection.received).toContain('\r\nConnection: close\r\n')
    expect(await entries()).toEqual([])
    expect(edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0 })
  })

  it('that ends in the middle of a body leaves nothing behind', async () => {
    const { raw, edge, entries } = await open()
    for (const cut of [3, EVENT.length]) {
      const connection = raw()
      connection.socket.write(rawPost(dataAction, EVENT).slice(0, -cut))
      await until(() => edge.stats().inFlight === 1)
      connection.socket.resetAndDestroy()
      await until(() => edge.stats().inFlight === 0)
    }
    expect(edge.stats()).toMatchObject({ aborted: 2, bufferedBytes: 0, accepted: 0 })
    expect(await entries()).toEqual([])
  })

  it('that ends before its answer harms no other request: a complete body is kept', async () => {
    const { raw, edge, entries } = await open()
    const connections = Array.from({ length: 20 }, raw)
    for (const { socket } of connections) {
      socket.once('connect', () => {
        socket.write(rawPost(dataAction, EVENT))
        setImmediate(() => socket.resetAndDestroy())
      })
    }
    await Promise.all(connections.map(({ closed }) => closed))
    expect((await post(edge, dataAction, EVENT)).status).toBe(202)
    await until(() => edge.stats().inFlight === 0)
    const { accepted, aborted } = edge.stats()
    const kept = (await entries()).length
    expect(kept).toBeGreaterThanOrEqual(accepted)
    expect(kept).toBeLessThanOrEqual(accepted + aborted)
  })

  it('that sends before its answer is closed: never is an acknowledgement untrue', async () => {
    const { raw, edge, entries } = await open()
    const connection = raw()
    connection.socket.write(rawPost(dataAction, EVENT).repeat(3))
    await connection.closed
    await until(() => edge.stats().inFlight === 0)
    const answers = connection.received.split('HTTP/1.1 202').length - 1
    expect(answers).toBeLessThanOrEqual((await entries()).length)
    expect((await post(edge, dataAction, EVENT)).status).toBe(202)
  })

  it('may send ahead what needs no log', async () => {
    const { raw } = await open()
    const connection = raw()
    connection.socket.write('GET /webhook HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3))
    await until(() => connection.received.split('HTTP/1.1 405').length === 4)
    connection.socket.destroy()
  })

  it('that carries no HTTP is closed, and the edge goes on', async () => {
    const { raw, edge } = await open()
    for (const garbage of [
      '\x16\x03\x01\x02\x00\x01',
      'GET\r\n\r\n',
      '\r\n\r\n',
      'POST /webhook HTTP/9.9\r\n\r\n',
    ]) {
      const connection = raw()
      connection.socket.write(garbage)
      await sleep(20)
      connection.socket.destroy()
      await connection.closed
    }
    expect((await post(edge, dataAction, EVENT)).status).toBe(202)
  })
})

describe('64 connections', () => {
  it('get their acknowledgements: one entry each, with their own bytes, and no other', async () => {
    const test = await openEdge(inject('services').redisUrl, { partitions: 2 })
    const agent = new Agent({ keepAlive: true, maxSockets: 64 })
    const acknowledged = new Map<string, string>()
    const sender = async (name: number) => {
      for (let i = 0; i < 40; i++) {
        const body = `{"id":"${name}-${i}","type":"t","pad":"${'é'.repeat(i * 10)}"}`
        const answer = await post(test.edge, dataAction, body, { agent })
        expect(answer.status).toBe(202)
        acknowledged.set(String(answer.headers['tributary-entry']), body)
      }
    }
    await Promise.all(Array.from({ length: 64 }, (_, name) => sender(name)))
    const kept = (await test.entries()).map(({ partition, id, body }) => [
      `${partition}/${id}`,
      body.toString(),
    ])
    expect(kept.length).toBe(64 * 40)
    expect(Object.fromEntries(kept)).toEqual(Object.fromEntries(acknowledged))
    agent.destroy()
    await test.end()
  })
})

describe('an edge that stops', () => {
  it('answers all that it has taken, closes every connection, and has kept what it acknowledged', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const acknowledged: string[] = []
    const last: unknown[] = []
    const sender = async (name: number) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (let i = 0; ; i++) {
        const answer = await post(test.edge, dataAction, `{"id":"${name}-${i}","type":"t"}`, { agent })
        if (answer.status === 202) acknowledged.push(String(answer.headers['tributary-entry']))
        if (answer.headers.connection === 'close') {
          last.push(answer.status)
          return agent.destroy()
        }
      }
    }
    const idle = new RawConnection(test.edge.port)
    const senders = Array.from({ length: 24 }, (_, name) => sender(name))
    await sleep(200)
    expect(test.edge.ready).toBe(true)
    const stop = test.edge.stop()
    expect(test.edge.ready).toBe(false)
    expect(test.edge.stop()).toBe(stop)
    await Promise.all(senders)
    await stop
    await idle.closed
    expect(last).toEqual(Array(24).fill(202))
    const kept = (await test.entries()).map(({ partition, id }) => `${partition}/${id}`)
    expect(kept.sort()).toEqual(acknowledged.sort())
    expect(test.edge.stats()).toMatchObject({ accepted: kept.length, aborted: 0, inFlight: 0 })
    await expect(post(test.edge, dataAction, EVENT)).rejects.toThrow('ECONNREFUSED')
    await test.end()
  })
})
