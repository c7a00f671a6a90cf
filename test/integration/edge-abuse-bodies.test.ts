import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { acknowledged, bystander, crowd } from '../support/abuse.js'
import { openEdge, post, RawConnection, rawPost, signed, type TestEdge } from '../support/edge.js'
import { until } from '../support/stream.js'

const MB = 1_048_576
const EVENT = '{"id":"e-1","type":"t"}'
const SIZE = EVENT.length

/** Headers and bytes of a request whose signature is that of {@link EVENT}. */
const LIES: readonly (readonly [name: string, headers: string, bytes: string])[] = [
  ['Content-Length one too short', `Content-Length: ${SIZE - 1}\r\n`, EVENT],
  ['Content-Length one too long', `Content-Length: ${SIZE + 1}\r\n`, EVENT],
  ['Content-Length zero', 'Content-Length: 0\r\n', EVENT],
  ['Content-Length negative', `Content-Length: -${SIZE}\r\n`, EVENT],
  ['Content-Length with a plus', `Content-Length: +${SIZE}\r\n`, EVENT],
  ['Content-Length in hexadecimal', `Content-Length: 0x${SIZE.toString(16)}\r\n`, EVENT],
  ['Content-Length with a fraction', `Content-Length: ${SIZE}.0\r\n`, EVENT],
  ['Content-Length twice in one line', `Content-Length: ${SIZE}, ${SIZE}\r\n`, EVENT],
  ['Content-Length beyond 64 bits', `Content-Length: 18446744073709551${SIZE}\r\n`, EVENT],
  ['Content-Length beyond any number', `Content-Length: ${'9'.repeat(40)}\r\n`, EVENT],
  ['no length at all', '', EVENT],
  ['a chunk one too short', 'Transfer-Encoding: chunked\r\n', `16\r\n${EVENT}\r\n0\r\n\r\n`],
  ['a chunk one too long', 'Transfer-Encoding: chunked\r\n', `18\r\n${EVENT}\r\n0\r\n\r\n`],
  ['a negative chunk', 'Transfer-Encoding: chunked\r\n', `-17\r\n${EVENT}\r\n0\r\n\r\n`],
  ['a chunk without digits', 'Transfer-Encoding: chunked\r\n', `\r\n${EVENT}\r\n0\r\n\r\n`],
  ['a chunk size of words', 'Transfer-Encoding: chunked\r\n', `size\r\n${EVENT}\r\n0\r\n\r\n`],
  ['a chunk beyond 64 bits', 'Transfer-Encoding: chunked\r\n', `10000000000000017\r\n${EVENT}\r\n0\r\n\r\n`],
  ['a chunk of 2 GB', 'Transfer-Encoding: chunked\r\n', `80000000\r\n${EVENT}\r\n0\r\n\r\n`],
  ['chunks without an end', 'Transfer-Encoding: chunked\r\n', `17\r\n${EVENT}\r\n`],
  ['a body that is said to be in chunks', 'Transfer-Encoding: chunked\r\n', EVENT],
  ['chunks, and a Content-Length', 'Transfer-Encoding: chunked\r\nContent-Length: 23\r\n', EVENT],
  ['chunks within chunks', 'Transfer-Encoding: chunked, chunked\r\n', `17\r\n${EVENT}\r\n0\r\n\r\n`],
]

describe('an edge', () => {
  let test: TestEdge
  const start = async (options: Parameters<typeof openEdge>[1]) => {
    await test.end()
    test = await openEdge(inject('services').redisUrl, options)
    return test
  }
  beforeEach(async () => {
    test = await openEdge(inject('services').redisUrl)
  })
  afterEach(() => test.end())
  const places = async () => (await test.entries()).map(({ partition, id }) => `${partition}/${id}`).sort()
  const idle = () =>
    until(() => {
      const { connections, inFlight, bufferedBytes } = test.edge.stats()
      return connections + inFlight + bufferedBytes === 0
    })

  it('takes no body whose length is a lie, and nothing behind it', async () => {
    const good = bystander(test.edge.port)
    const liars = LIES.map(([name, headers, bytes]) => {
      const connection = new RawConnection(test.edge.port)
      connection.socket.write(rawPost(dataAction, EVENT, headers).slice(0, -SIZE) + bytes)
      return { name, connection }
    })
    await sleep(300)
    for (const { connection } of liars) connection.socket.destroy()
    const believed = liars.filter(({ connection }) => connection.received.includes(' 202 '))
    expect(believed.map(({ name }) => name)).toEqual([])
    const { places: acknowledgements } = await good.end()
    await idle()
    expect(await places()).toEqual(acknowledgements.sort())
  })

  it('keeps what is signed, and reads what stands behind its length as another request', async () => {
    const connection = new RawConnection(test.edge.port)
    connection.socket.write(rawPost(dataAction, EVENT) + EVENT)
    await connection.closed
    await idle()
    expect((await test.entries()).map(({ body }) => body.toString())).toEqual([EVENT])
  })

  it('counts what a body takes in memory, not what it announces', async () => {
    const announcers = await crowd(test.edge.port, 100)
    const head = rawPost(dataAction, '', `Content-Length: ${MB}\r\n`)
    for (const { socket } of announcers) socket.write(head)
    await until(() => test.edge.stats().inFlight === 100)
    expect(test.edge.stats().bufferedBytes).toBe(0)
    for (const { socket } of announcers) socket.write('{')
    await until(() => test.edge.stats().bufferedBytes > 0)
    expect(test.edge.stats().bufferedBytes).toBeLessThanOrEqual(100 * 512)
    for (const { socket } of announcers) socket.destroy()
    await idle()
  })

  it('takes a body in chunks of a byte, for no more than twice its memory', async () => {
    const body = `{"id":"e-1","type":"t","pad":"${'x'.repeat(300_000)}"}`
    const connection = new RawConnection(test.edge.port)
    const chunks = Array.from(body, (byte) => `1\r\n${byte}\r\n`).join('')
    connection.socket.write(
      rawPost(dataAction, body, 'Transfer-Encoding: chunked\r\n').slice(0, -body.length),
    )
    connection.socket.write(chunks)
    await sleep(500)
    await until(() => test.edge.stats().bufferedBytes >= body.length)
    expect(test.edge.stats().bufferedBytes).toBeLessThanOrEqual(2 * body.length)
    connection.socket.write('0\r\n\r\n')
    await until(() => connection.received.includes(' 202 '))
    expect((await test.entries()).map((entry) => entry.body.toString() === body)).toEqual([true])
    connection.socket.destroy()
    await idle()
  })

  it('whose memory is full of unfinished bodies gives it to newer ones', async () => {
    const { edge } = await start({ bufferBytes: 2 * MB })
    const hogs = await crowd(edge.port, 40)
    const good = bystander(edge.port)
    for (const { socket } of hogs) {
      socket.write(rawPost(dataAction, '', `Content-Length: ${200_000}\r\n`) + 'x'.repeat(150_000))
    }
    await until(() => edge.stats().refused.overloaded >= 20)
    const large = `{"id":"e-2","type":"t","pad":"${'x'.repeat(900_000)}"}`
    expect((await post(edge, dataAction, large)).status).toBe(202)
    expect(edge.stats().bufferedBytes).toBeLessThanOrEqual(2 * MB)
    const { places: acknowledgements, slowest } = await good.end()
    expect(slowest).toBeLessThan(10_000)
    // A sender that is refused in the middle of its body gets that answer, with Retry-After.
    expect(
      hogs.filter(({ received }) => /^HTTP\/1.1 503 [\s\S]*Retry-After/.test(received)).length,
    ).toBeGreaterThan(0)
    for (const { socket } of hogs) socket.destroy()
    await idle()
    expect((await places()).length).toBe(acknowledgements.length + 1)
  })

  it('is not led astray by requests in a row, nor by those that are taken back', async () => {
    const good = bystander(test.edge.port)
    const rows = await crowd(test.edge.port, 60)
    for (const [i, { socket }] of rows.entries()) {
      socket.write(rawPost(dataAction, EVENT).repeat(20))
      if (i % 3 === 1) socket.resetAndDestroy()
      if (i % 3 === 2) setImmediate(() => socket.resetAndDestroy())
    }
    await Promise.all(rows.map(({ closed }) => closed))
    const { places: acknowledgements } = await good.end()
    await idle()
    const kept = new Set(await places())
    const all = [...acknowledgements, ...acknowledged(rows)]
    expect(all.filter((place) => !kept.has(place))).toEqual([])
    expect(kept.size).toBeLessThanOrEqual(test.edge.stats().accepted + test.edge.stats().aborted)
  })

  it('turns away who is one too many at once, and takes the next when there is room', async () => {
    const { edge } = await start({ maxConnections: 20 })
    const first = await crowd(edge.port, 20)
    await until(() => edge.stats().connections === 20)
    const more = await crowd(edge.port, 300)
    await Promise.all(more.map(({ closed }) => closed))
    expect(edge.stats()).toMatchObject({ connections: 20, turnedAway: 300 })
    const [one] = first
    one?.socket.write(rawPost(dataAction, EVENT))
    await until(() => one?.received.includes(' 202 ') === true)
    one?.socket.destroy()
    await until(() => edge.stats().connections === 19)
    expect((await post(edge, dataAction, EVENT, { headers: signed(dataAction, EVENT) })).status).toBe(202)
    for (const { socket } of first) socket.destroy()
    await idle()
  })
})
