import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { dataAction } from '../../schemas/data-action.js'
import type { Service } from '../../src/dev/services/service.js'
import { Admission } from '../../src/edge/admission.js'
import { BacklogWatch } from '../../src/edge/backlog-watch.js'
import type { BacklogBudget } from '../../src/edge/reading.js'
import { letterFromEdge } from '../../src/stream/dead-letter.js'
import { openEdge, post, RawConnection, rawPost, type TestEdge } from '../support/edge.js'
import { newEntry } from '../support/entries.js'
import { recordedLog } from '../support/log.js'
import { ownServers } from '../support/own.js'
import { until } from '../support/stream.js'

const NONE: BacklogBudget = { maxBytes: 0, maxAgeMs: 0, reservePercent: 20 }
const MB = 1_000_000
const EVENT = `{"id":"e-1","type":"t","pad":"${'x'.repeat(20_000)}"}`

describe('an edge that watches its backlog', () => {
  const servers = ownServers(() => {})
  let redis: Service
  let test: TestEdge
  const stop = new AbortController()
  beforeAll(async () => {
    redis = await servers.redis()
  })
  afterEach(async () => {
    await test.redis.config('SET', 'maxmemory', '0')
    await test.redis.flushall()
    await test.end()
  })
  afterAll(async () => {
    stop.abort()
    await servers.end()
  })

  async function open(budget: Partial<BacklogBudget>, ignored: readonly string[] = []) {
    const admission = new Admission()
    test = await openEdge(redis.url, { admission })
    const { log, lines } = recordedLog()
    const watch = new BacklogWatch({
      redis: test.redis,
      partitions: test.keys,
      budget: { ...NONE, ...budget },
      ignored: new Set(ignored),
      admission,
      log,
    })
    const [keys] = test.keys
    if (!keys) throw new Error('no partition')
    return { ...test, admission, watch, lines, keys }
  }

  /** Posts until every request is refused. */
  async function fill({ edge }: TestEdge, watch: BacklogWatch): Promise<void> {
    for (let i = 0; i < 2_000; i++) {
      if (i % 10 === 0) await watch.read()
      const answer = await post(edge, dataAction, EVENT)
      if (answer.status === 202) continue
      expect([answer.status, JSON.parse(answer.text).error]).toEqual([503, 'backlogged'])
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
      // Not only by what was admitted since the last reading.
      await watch.read()
      if (watch.figures().admitted === 0) return
    }
    throw new Error('nothing was refused')
  }

  it('keeps a share of the memory free, in which dead letters and acks go on, and opens when there is room', async () => {
    const { edge, redis: client, watch, errors, keys, lines } = await open({})
    await client.xgroup('CREATE', keys.events, 'postgres', '0', 'MKSTREAM')
    const max = 12 * MB
    await client.config('SET', 'maxmemory', max)
    await fill(test, watch)
    expect(errors).toEqual([])
    const { memory, admitted } = watch.figures()
    expect(memory).toBeGreaterThan(0.72)
    expect(memory).toBeLessThan(0.82)
    expect(admitted).toBe(0)
    expect(lines.at(-1)).toMatch(
      /^warn The edge refuses all requests .* The group postgres is behind by \d+ /,
    )

    // The reserve is for those.
    const reply = await client.xreadgroup(
      ...(['GROUP', 'postgres', 'c', 'COUNT', 2_000, 'STREAMS', keys.events, '>'] as const),
    )
    const ids = (reply?.[0]?.[1] ?? []).map(([id]) => id)
    const rejection = { reason: 'invalid_event', message: 'm', errors: [] } as const
    const letter = letterFromEdge({ ...newEntry('data-action', 'x') }, rejection)
    await client.xadd(keys.dead, '*', 'body', letter.body)
    expect(await client.xack(keys.events, 'postgres', ...ids)).toBe(ids.length)

    // What is settled takes room until it is trimmed.
    await watch.read()
    expect(watch.figures()).toMatchObject({ bytes: 0, ageMs: 0, admitted: 0 })
    expect((await post(edge, dataAction, EVENT)).status).toBe(503)
    await client.xtrim(keys.events, 'MAXLEN', 10)
    await watch.read()
    expect(watch.figures().admitted).toBe(1)
    expect((await post(edge, dataAction, EVENT)).status).toBe(202)
    expect(edge.stats().refused.backlogged).toBeGreaterThan(1)
  })

  it('refuses before the body is there', async () => {
    const { edge, watch } = await open({ maxBytes: 200_000 })
    await fill(test, watch)
    const connection = new RawConnection(edge.port)
    const request = rawPost(dataAction, EVENT)
    connection.socket.write(request.slice(0, request.indexOf('\r\n\r\n') + 4))
    await until(() => connection.received.includes('backlogged'))
    expect(connection.received).toMatch(/^HTTP\/1\.1 503 .*\r\nRetry-After: [123]\r\n/s)
    connection.socket.destroy()
  })

  it('says that no worker has ever read, where there is no group', async () => {
    const { watch, lines } = await open({ maxBytes: 400_000 })
    await fill(test, watch)
    expect(watch.figures().bytes).toBeGreaterThan(360_000)
    expect(watch.figures().bytes).toBeLessThan(440_000)
    expect(lines).toEqual([
      expect.stringContaining('warn The edge refuses a part of the requests'),
      expect.stringMatching(/^warn The edge refuses all requests .*0\.4 MB.* No worker has ever read them/),
    ])
  })

  it('lets in what goes out: a slow group settles the inflow without swinging', async () => {
    const { edge, redis: client, watch, keys, entries } = await open({ maxBytes: 6 * MB })
    await client.xgroup('CREATE', keys.events, 'postgres', '0', 'MKSTREAM')
    const backlog: number[] = []
    let accepted = 0
    let running = true
    const sender = async () => {
      while (running) {
        const answer = await post(edge, dataAction, EVENT)
        if (answer.status === 202) accepted++
        // As a sender that does not obey Retry-After, but is no loop either.
        else await sleep(20)
      }
    }
    const drain = async () => {
      for (; running; await sleep(100)) {
        const read = await client.xreadgroup(
          ...(['GROUP', 'postgres', 'c', 'COUNT', 2, 'STREAMS', keys.events, '>'] as const),
        )
        for (const [id] of read?.[0]?.[1] ?? []) await client.xack(keys.events, 'postgres', id)
      }
    }
    void watch.run(stop.signal)
    const work = [drain(), ...Array.from({ length: 4 }, sender)]
    await until(() => watch.figures().admitted < 1, 20_000)
    await sleep(2_000)
    for (let i = 0; i < 30; i++) {
      await sleep(200)
      backlog.push(watch.figures().bytes)
    }
    running = false
    await Promise.all(work)
    expect(Math.max(...backlog), String(backlog)).toBeLessThanOrEqual(6.2 * MB)
    expect(Math.min(...backlog), String(backlog)).toBeGreaterThan(4.8 * MB)
    expect((await entries()).length).toBe(accepted)
    await client.xgroup('SETID', keys.events, 'postgres', '$')
    await until(() => watch.figures().admitted === 1)
  })

  it('refuses what would make the oldest too old, and goes on when a group without workers is not counted', async () => {
    const { edge, redis: client, keys, watch } = await open({ maxAgeMs: 400 })
    for (const group of ['postgres', 'mongo'])
      await client.xgroup('CREATE', keys.events, group, '0', 'MKSTREAM')
    expect((await post(edge, dataAction, EVENT)).status).toBe(202)
    await client.xreadgroup('GROUP', 'postgres', 'c', 'STREAMS', keys.events, '>')
    await sleep(450)
    await watch.read()
    expect((await post(edge, dataAction, EVENT)).status).toBe(503)
    expect(watch.figures().ageMs).toBeGreaterThanOrEqual(450)
    // One of two has settled it: the other still waits.
    const [[id = ''] = []] = await client.xrange(keys.events, '-', '+')
    await client.xack(keys.events, 'postgres', id)
    await watch.read()
    expect(watch.figures().admitted).toBe(0)
    await test.end()

    const admission = new Admission()
    const { log } = recordedLog()
    test = await openEdge(redis.url, { admission })
    const options = { redis: test.redis, partitions: [keys], admission, log }
    const budget = { ...NONE, maxAgeMs: 400 }
    const other = new BacklogWatch({ ...options, budget, ignored: new Set(['mongo']) })
    await other.read()
    expect(other.figures()).toMatchObject({ admitted: 1, ageMs: 0, bytes: 0 })
    expect((await post(test.edge, dataAction, EVENT)).status).toBe(202)
  })

  it('uses the last reading for a while when Redis does not answer, and then refuses nothing for it', async () => {
    const { admission, watch, lines } = await open({ maxBytes: 200_000 })
    await fill(test, watch)
    const end = new AbortController()
    const run = watch.run(end.signal)
    await sleep(1_000)
    redis.pause()
    await sleep(2_000)
    expect(admission.share).toBe(0)
    await until(() => admission.share === 1)
    redis.resume()
    await until(() => admission.share === 0)
    end.abort()
    await run
    expect(lines.filter((line) => line.startsWith('info'))).toEqual([])
  })

  it('says what it cannot ask, and works all the same', async () => {
    const { redis: client, keys } = await open({})
    await client.acl('SETUSER', 'tiny', 'on', '>pw', '~*', '+@all', '-memory')
    const url = new URL(redis.url)
    url.username = 'tiny'
    url.password = 'pw'
    await test.end()
    const admission = new Admission()
    test = await openEdge(url.href, { admission })
    const { log, lines } = recordedLog()
    const watch = new BacklogWatch({
      ...{ redis: test.redis, partitions: [keys], budget: NONE, ignored: new Set<string>() },
      ...{ admission, log },
    })
    const end = new AbortController()
    const run = watch.run(end.signal)
    await until(() => lines.some((line) => /^warn .*NOPERM.*memory/.test(line)))
    expect((await post(test.edge, dataAction, EVENT)).status).toBe(202)
    end.abort()
    await run
    await test.end()
    test = await openEdge(redis.url)
  })
})
