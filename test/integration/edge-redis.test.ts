import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import type { Service } from '../../src/dev/services/service.js'
import type { EdgeOptions } from '../../src/edge/server.js'
import { type Answer, openEdge, post, type TestEdge } from '../support/edge.js'
import { ownServers } from '../support/own.js'

const EVENT = '{"id":"e-1","type":"t"}'

function refusal(answer: Answer): [number, string] {
  return [answer.status, JSON.parse(answer.text).error]
}

/** Posts until it is accepted again. @throws Error after 10 s */
async function recovered({ edge }: TestEdge): Promise<Answer> {
  for (const until = Date.now() + 10_000; ; await sleep(50)) {
    const answer = await post(edge, dataAction, EVENT)
    if (answer.status === 202) return answer
    if (Date.now() > until) throw new Error(`the edge still answers ${answer.status} ${answer.text}`)
  }
}

describe('an edge whose Redis', () => {
  const servers = ownServers(() => {})
  let redis: Service
  let test: TestEdge
  const open = async (options: Partial<EdgeOptions> = {}) => {
    test = await openEdge(redis.url, options)
    return test
  }
  beforeAll(async () => {
    redis = await servers.redis()
  })
  afterEach(() => test.end())
  afterAll(() => servers.end())

  it('is full answers 503, even to what it would refuse, and goes on when there is room', async () => {
    const { edge, errors, redis: client, letters, entries } = await open()
    await client.config('SET', 'maxmemory', '1')
    for (const body of [EVENT, 'no json', '{}']) {
      const answer = await post(edge, dataAction, body)
      expect(refusal(answer)).toEqual([503, 'unavailable'])
      expect(['1', '2', '3']).toContain(answer.headers['retry-after'])
    }
    expect(errors.map(String)).toEqual(Array(3).fill(expect.stringContaining('OOM')))
    await client.config('SET', 'maxmemory', '0')
    expect((await post(edge, dataAction, EVENT)).status).toBe(202)
    expect((await post(edge, dataAction, 'no json')).status).toBe(400)
    expect([(await entries()).length, (await letters()).length]).toEqual([1, 1])
    expect(edge.stats().refused).toMatchObject({ unavailable: 3, malformed_json: 1 })
  })

  it('is stopped answers 503 at once, and 202 when it is back', async () => {
    const { edge, entries } = await open()
    await post(edge, dataAction, EVENT)
    await redis.stop()
    expect(refusal(await post(edge, dataAction, EVENT))).toEqual([503, 'unavailable'])
    expect(refusal(await post(edge, dataAction, '{'))).toEqual([503, 'unavailable'])
    await redis.start()
    await recovered(test)
    expect((await entries()).length).toBe(2)
  })

  it('hangs answers 503 in time, and never sends what has been waiting', async () => {
    const { edge, entries } = await open({ appendTimeoutMs: 100 })
    await post(edge, dataAction, EVENT)
    redis.pause()
    const late = Array.from({ length: 8 }, (_, i) => `{"id":"late-${i}","type":"t"}`)
    for (const body of late) {
      const since = performance.now()
      expect(refusal(await post(edge, dataAction, body))).toEqual([503, 'timeout'])
      expect(performance.now() - since).toBeLessThan(5_000)
    }
    redis.resume()
    await recovered(test)
    const bodies = (await entries()).map(({ body }) => body.toString())
    // Four calls were under way, and Redis gets to them in the end.
    expect(bodies.filter((body) => late.includes(body))).toEqual(late.slice(0, 4))
    expect(edge.stats()).toMatchObject({ inFlight: 0, bufferedBytes: 0 })
  })

  it('hangs for less than the deadline is waited for', async () => {
    const { edge } = await open({ appendTimeoutMs: 10_000 })
    redis.pause()
    const answers = Array.from({ length: 20 }, () => post(edge, dataAction, EVENT))
    await sleep(300)
    redis.resume()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(202))
  })

  it('hangs keeps no more in memory than it may', async () => {
    const { edge, entries } = await open({ appendTimeoutMs: 10_000, bufferBytes: 10_000 })
    redis.pause()
    const body = (id: number) => `{"id":"${id}","type":"t","pad":"${'x'.repeat(4_000)}"}`
    const waiting = [post(edge, dataAction, body(1)), post(edge, dataAction, body(2))]
    while (edge.stats().bufferedBytes < 8_000) await sleep(5)
    const since = performance.now()
    const tooMuch = await post(edge, dataAction, body(3))
    expect(refusal(tooMuch)).toEqual([503, 'overloaded'])
    expect(tooMuch.headers['retry-after']).toBeDefined()
    expect(performance.now() - since).toBeLessThan(5_000)
    expect(edge.stats().bufferedBytes).toBeLessThanOrEqual(10_000)
    redis.resume()
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([202, 202])
    expect((await post(edge, dataAction, body(3))).status).toBe(202)
    expect((await entries()).length).toBe(3)
    expect(edge.stats().bufferedBytes).toBe(0)
  })

  it('hangs is waited for when the edge stops', async () => {
    const { edge, entries } = await open({ appendTimeoutMs: 10_000 })
    redis.pause()
    const agent = new Agent({ keepAlive: true })
    const answer = post(edge, dataAction, EVENT, { agent })
    while (edge.stats().inFlight === 0) await sleep(5)
    let stopped = false
    const stop = edge.stop().then(() => {
      stopped = true
    })
    await sleep(300)
    expect([stopped, edge.ready]).toEqual([false, false])
    redis.resume()
    expect((await answer).status).toBe(202)
    expect((await answer).headers.connection).toBe('close')
    await stop
    expect((await entries()).length).toBe(1)
  })

  it('restarts under load loses nothing that was acknowledged', async () => {
    const { edge, entries } = await open()
    const acknowledged: string[] = []
    let sending = true
    const sender = async (name: number) => {
      for (let i = 0; sending; i++) {
        const answer = await post(edge, dataAction, `{"id":"${name}-${i}","type":"t"}`)
        if (answer.status === 202) acknowledged.push(String(answer.headers['tributary-entry']))
        else expect(answer.status).toBe(503)
      }
    }
    const senders = Array.from({ length: 16 }, (_, name) => sender(name))
    await sleep(300)
    await redis.stop()
    await redis.start()
    await recovered(test)
    await sleep(200)
    sending = false
    await Promise.all(senders)
    const kept = new Set((await entries()).map(({ partition, id }) => `${partition}/${id}`))
    expect(acknowledged.filter((place) => !kept.has(place))).toEqual([])
    expect(edge.stats().refused.unavailable).toBeGreaterThan(0)
  })
})
