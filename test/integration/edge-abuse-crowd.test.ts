import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import { connectionLimit } from '../../src/edge/connection-limit.js'
import { acknowledged, bystander, crowd } from '../support/abuse.js'
import { HTTP, type RawConnection, rawPost } from '../support/edge.js'
import { type EdgeProcess, startEdgeProcess } from '../support/edge-process.js'
import { until } from '../support/stream.js'

const EVENT = '{"id":"e-1","type":"t"}'
const REQUEST = rawPost(dataAction, EVENT)
const HEAD = REQUEST.slice(0, -EVENT.length)
const CHUNKED = rawPost(dataAction, EVENT, 'Transfer-Encoding: chunked\r\n').slice(0, -EVENT.length)
/** As many idle connections as this machine lets the test have. */
const CROWD = connectionLimit(5_000).connections

/**
 * The most memory that 5,000 idle connections, a round of abuse, and 3,000,000 chunks of a byte may take, in MB. Seen: 2,
 * 60 and 40 with uWebSockets.js; 48, 200 and 215 with node:http, which makes every chunk a buffer: kept, they would
 * take 900.
 */
const MOST_MB =
  HTTP.name === 'uws' ? { idle: 40, abused: 180, chunks: 80 } : { idle: 100, abused: 400, chunks: 450 }

/** An edge in a process of its own, which ends with the test. */
async function start(env: Record<string, string> = {}, openFiles?: number): Promise<EdgeProcess> {
  const edge = await startEdgeProcess(inject('services').redisUrl, env, openFiles)
  onTestFinished(() => edge.end())
  return edge
}

async function leave(edge: EdgeProcess, connections: readonly RawConnection[]): Promise<void> {
  for (const { socket } of connections) socket.destroy()
  await until(async () => {
    const { inFlight, bufferedBytes, connections: open } = await edge.stats()
    return inFlight + bufferedBytes + open === 0
  })
}

async function places(edge: EdgeProcess): Promise<string[]> {
  return (await edge.entries()).map(({ partition, id }) => `${partition}/${id}`).sort()
}

describe('an edge in a crowd', () => {
  it(`of ${CROWD} idle connections answers as ever, in a few kilobytes a connection`, async () => {
    if (CROWD < 5_000) process.stderr.write(`${CROWD} connections, not 5000: raise ulimit -n\n`)
    const edge = await start()
    const before = edge.resident()
    const idle = await crowd(edge.port, CROWD)
    const busy = edge.busySeconds()
    const good = bystander(edge.port)
    await sleep(1_500)
    const { places: acknowledgements, slowest } = await good.end()
    expect(slowest).toBeLessThan(10_000)
    expect(edge.busySeconds() - busy).toBeLessThan(1)
    expect((await edge.stats()).connections).toBe(CROWD)
    expect(edge.resident() - before).toBeLessThan(MOST_MB.idle)
    await leave(edge, idle)
    expect(await places(edge)).toEqual(acknowledgements.sort())
  })

  it('that is larger than the limit of open files turns away the rest, and stays calm', async () => {
    const edge = await start({}, 256)
    expect(edge.messages().join()).toContain(
      'The edge takes 128 connections, not 10000 (EDGE_MAX_CONNECTIONS)',
    )
    const idle = await crowd(edge.port, 400)
    await until(async () => (await edge.stats()).turnedAway === 272)
    const busy = edge.busySeconds()
    await sleep(2_000)
    expect(edge.busySeconds() - busy).toBeLessThan(1)
    const one = idle.find(({ socket }) => socket.readyState === 'open')
    one?.socket.write(REQUEST)
    await until(() => one?.received.includes(' 202 ') === true)
    expect(edge.messages().join()).toContain(
      '128 connections are open: the edge closes each further one at once',
    )
    await leave(edge, idle)
    const { places: acknowledgements } = await bystander(edge.port).end()
    expect(await places(edge)).toEqual([...acknowledged(idle), ...acknowledgements].sort())
  })
})

/** What a round does on each of its connections. */
const ABUSES: readonly ((connection: RawConnection, i: number) => void)[] = [
  ({ socket }) => socket.write(HEAD.slice(0, -9)),
  ({ socket }) => socket.write(HEAD),
  ({ socket }) =>
    socket.write(`${rawPost(dataAction, '', 'Content-Length: 1000000\r\n')}${'x'.repeat(60_000)}`),
  ({ socket }) => socket.write(CHUNKED + '1\r\nx\r\n'.repeat(20_000)),
  ({ socket }) => socket.write(`${CHUNKED}7fffffff\r\n${'x'.repeat(60_000)}`),
  ({ socket }) => socket.write(REQUEST.repeat(10)),
  ({ socket }) => void socket.write(REQUEST, () => socket.resetAndDestroy()),
  ({ socket }) => socket.write(HEAD + EVENT + EVENT),
  ({ socket }) => socket.write(HEAD.replace('Host', `X-Large: ${'x'.repeat(20_000)}\r\nHost`)),
  ({ socket }, i) => socket.write(HEAD.slice(0, i)),
]

describe('the memory of an edge', () => {
  it('is flat, however often it is abused', async () => {
    const edge = await start({
      EDGE_BUFFER_BYTES: String(4 * 1_048_576),
      EDGE_MAX_CONNECTIONS: '400',
      APPEND_TIMEOUT_MS: '10000',
    })
    const fresh = edge.resident()
    let most = fresh
    const answered: string[] = []
    const round = async () => {
      const good = bystander(edge.port)
      const connections = await crowd(edge.port, 300)
      for (const [i, connection] of connections.entries()) ABUSES[i % ABUSES.length]?.(connection, i)
      await sleep(400)
      most = Math.max(most, edge.resident())
      const { places: acknowledgements, slowest } = await good.end()
      expect(slowest).toBeLessThan(20_000)
      await leave(edge, connections)
      answered.push(...acknowledgements, ...acknowledged(connections))
    }
    for (let i = 0; i < 10; i++) await round()
    const before = await edge.settledResident()
    for (let i = 0; i < 20; i++) await round()
    expect((await edge.settledResident()) - before).toBeLessThan(40)
    // 350 MB where uWebSockets.js made every chunk a buffer, though all of it was garbage in the end.
    expect(most - fresh).toBeLessThan(MOST_MB.abused)
    const kept = new Set(await places(edge))
    expect(answered.filter((place) => !kept.has(place))).toEqual([])
    const { accepted, aborted } = await edge.stats()
    expect(kept.size).toBeLessThanOrEqual(accepted + aborted)
  }, 120_000)

  it('does not grow with the number of chunks that a body comes in', async () => {
    const edge = await start()
    const before = edge.resident()
    const senders = await crowd(edge.port, 10)
    for (const { socket } of senders) socket.write(CHUNKED + '1\r\nx\r\n'.repeat(300_000))
    await until(async () => (await edge.stats()).bufferedBytes >= 3_000_000, 20_000)
    // 340 MB where uWebSockets.js made every chunk a buffer.
    expect(edge.resident() - before).toBeLessThan(MOST_MB.chunks)
    await leave(edge, senders)
  })
})
