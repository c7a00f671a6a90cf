import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { acknowledged, bystander, crowd } from '../support/abuse.js'
import { lengthOf, openEdge, RawConnection, rawPost } from '../support/edge.js'
import { until } from '../support/stream.js'

const EVENT = `{"id":"e-1","type":"t","pad":"${'x'.repeat(4_000)}"}`
const REQUEST = rawPost(dataAction, EVENT)
const HEAD = REQUEST.slice(0, -EVENT.length)
const CHUNKED = rawPost(dataAction, EVENT, 'Transfer-Encoding: chunked\r\n').slice(0, -EVENT.length)
const NEXT = 'GET / HTTP/1.1\r\nX: '

/** uWebSockets.js ends a silent connection after 8 to 12 s; the rest is for a busy machine. */
const REAPED_MS = 20_000

/** What is sent at first, and then once a second. To an edge, a peer that has vanished is one that says no more. */
const SLOW: readonly (readonly [name: string, first: string, more?: (second: number) => string])[] = [
  ['vanishes before its first byte', ''],
  ['vanishes within its headers', HEAD.slice(0, -9)],
  ['vanishes before its body', HEAD],
  ['vanishes within its body', REQUEST.slice(0, -3)],
  ['vanishes within a chunk', `${CHUNKED}ff\r\n{"id`],
  ['vanishes after its answer', REQUEST],
  ['sends a header a second', HEAD.slice(0, -2), (second) => `X-${second}: 1\r\n`],
  ['sends a byte of a header a second', HEAD.slice(0, -9), () => 'x'],
  ['sends a byte of its body a second', HEAD, () => '{'],
  ['sends a chunk of a byte a second', CHUNKED, () => '1\r\n{\r\n'],
  ['sends a byte of a chunk extension a second', `${CHUNKED}5;`, () => 'x'],
  ['sends a byte of its second headers a second', REQUEST, (second) => (second === 0 ? NEXT : 'x')],
  ['sends one byte a second of a body that the edge does not read', HEAD.replace('POST', 'PUT'), () => '{'],
]

describe('senders that are slow or gone', () => {
  it('are each cut off in time, whatever they were at, and others do not notice', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const good = bystander(test.edge.port)
    const ends = await Promise.all(
      SLOW.map(async ([name, first, more]) => {
        const slow = await crowd(test.edge.port, 20)
        const start = performance.now()
        let second = 0
        const write = (bytes: string) => {
          for (const { socket } of slow) if (socket.writable) socket.write(bytes)
        }
        write(first)
        const trickle = setInterval(() => more && write(more(second++)), 1_000)
        await Promise.all(slow.map(({ closed }) => closed))
        clearInterval(trickle)
        return { name, slow, took: performance.now() - start }
      }),
    )
    expect(ends.filter(({ took }) => took > REAPED_MS).map(({ name }) => name)).toEqual([])
    const { places, slowest } = await good.end()
    expect(slowest).toBeLessThan(10_000)
    await until(() => test.edge.stats().connections === 0)
    expect(test.edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0, turnedAway: 0 })
    const kept = (await test.entries()).map(({ partition, id }) => `${partition}/${id}`)
    const answered = ends.flatMap(({ slow }) => acknowledged(slow))
    expect(answered.length).toBe(40)
    expect(kept.sort()).toEqual([...places, ...answered].sort())
    await test.end()
  })
})

describe('a body', () => {
  it('faster than 16 kB/s is read for as long as the edge allows', async () => {
    const test = await openEdge(inject('services').redisUrl)
    const body = `{"id":"e-1","type":"t","pad":"${'x'.repeat(280_000)}"}`
    const connection = new RawConnection(test.edge.port)
    const bytes = rawPost(dataAction, body, lengthOf(body))
    for (let at = 0; at < bytes.length; at += 20_000) {
      connection.socket.write(bytes.slice(at, at + 20_000))
      await sleep(1_000)
    }
    await until(() => connection.received.includes('HTTP/1.1 202'))
    expect((await test.entries()).map((entry) => entry.body.toString() === body)).toEqual([true])
    connection.socket.destroy()
    await test.end()
  })

  it('that never ends is answered 408 however fast it comes', async () => {
    const test = await openEdge(inject('services').redisUrl, { bodyTimeoutMs: 1_000 })
    const connection = new RawConnection(test.edge.port)
    connection.socket.write(CHUNKED)
    const flow = setInterval(() => connection.socket.write(`400\r\n${'x'.repeat(1_024)}\r\n`), 20)
    await connection.closed
    clearInterval(flow)
    expect(connection.received).toMatch(/^HTTP\/1.1 408 /)
    expect(test.edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0 })
    await test.end()
  })
})
