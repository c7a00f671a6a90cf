import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { TransientError } from '../../src/errors.js'
import { type Backoff, retryTransient } from '../../src/retry.js'
import { checkRedis, openClient } from '../../src/stream/client.js'
import { BudgetKeeper } from '../../src/stream/dead-letters/budget.js'
import { DeadLetterCounter } from '../../src/stream/dead-letters/counter.js'
import { createFeed } from '../../src/stream/feed.js'
import { groupFigures } from '../../src/stream/groups.js'
import { readMemory } from '../../src/stream/memory.js'
import { createReader } from '../../src/stream/reader.js'
import { askRedis } from '../../src/stream/redis.js'
import { startCluster, type TestCluster } from '../support/cluster.js'
import { runCommandLine } from '../support/command-line.js'
import { newEntry } from '../support/entries.js'
import { good, letter } from '../support/letters.js'
import { ownServers } from '../support/own.js'
import { openStream, readBatches, type TestStream, until } from '../support/stream.js'

const PARTITIONS = 6
const LEASE_MS = 30_000
const BACKOFF: Backoff = { initialMs: 20, maxMs: 200 }
const quiet = () => undefined

let cluster: TestCluster
let stream: TestStream
const opened: TestStream[] = []

beforeAll(async () => {
  cluster = await startCluster()
})
beforeEach(async () => {
  stream = await openStream({ url: cluster.url, partitions: PARTITIONS })
  opened.push(stream)
})
afterAll(async () => {
  await Promise.all(opened.map((one) => one.end()))
  await cluster.end()
})

/** Appends one entry to each partition, the first to the first. */
async function appendToEach(): Promise<string[]> {
  const bodies = stream.keys.map(({ partition }) => JSON.stringify(good(`c-${partition}`)))
  for (const body of bodies) await stream.producer.append([newEntry('cdc', body)])
  return bodies
}

describe('REDIS_URL', () => {
  test('may name any node of a Cluster, or several of which some are down', async () => {
    const down = 'redis://127.0.0.1:1'
    const urls = [...cluster.nodes.map(({ url }) => url), `${down}, ${cluster.nodes.at(-1)?.url}`]
    for (const url of urls) {
      const redis = await openClient(url, 'fail-fast', quiet)
      expect(redis.isCluster).toBe(true)
      expect(await redis.xlen(stream.first.events)).toBe(0)
      redis.disconnect()
    }
    await expect(openClient(`${down},${down}`, 'patient', quiet)).rejects.toBeInstanceOf(TransientError)
  })

  test('must not name several servers that are no Cluster', async () => {
    const servers = ownServers(quiet)
    onTestFinished(() => servers.end())
    const { url } = await servers.redis()
    await expect(openClient(`${url},${cluster.url}`, 'patient', quiet)).rejects.toThrow(
      `REDIS_URL names several servers, but ${new URL(url).host} is not a node of a Redis Cluster`,
    )
  })
})

describe('on three masters', () => {
  test('partitions are spread over all of them', async () => {
    const masters = await Promise.all(stream.keys.map(({ events }) => cluster.masterOf(events)))
    expect(new Set(masters).size).toBe(3)
    expect((await readMemory(stream.redis)).length).toBe(3)
    await checkRedis(stream.redis)
  })

  test('what is appended is read, acknowledged, taken over and told of', async () => {
    const bodies = await appendToEach()
    const before = await groupFigures(stream.redis, stream.keys, stream.group, LEASE_MS)
    expect(before).toMatchObject({ missingPartitions: PARTITIONS, undelivered: PARTITIONS })

    const gone = await stream.join()
    expect((await readBatches(gone.consumer, PARTITIONS)).flat().length).toBe(PARTITIONS)
    gone.crash()
    expect(await stream.pending()).toBe(PARTITIONS)

    const { consumer } = await stream.join({ leaseMs: 500 })
    const entries = (await readBatches(consumer, PARTITIONS)).flat()
    expect(entries.map(({ body }) => String(body)).toSorted()).toEqual(bodies.toSorted())
    const [first, ...rest] = entries
    if (!first) throw new Error('nothing was read')
    await consumer.acknowledge([
      { entry: first, letters: [letter({ entry: `${first.partition}/${first.id}` })] },
      ...rest.map((entry) => ({ entry, letters: [] })),
    ])
    const after = await groupFigures(stream.redis, stream.keys, stream.group, LEASE_MS)
    expect(after).toMatchObject({ undelivered: 0, pending: 0, missingPartitions: 0, oldestAgeMs: undefined })
    expect(await new DeadLetterCounter(stream.redis, stream.keys).count()).toEqual(new Map([['postgres', 1]]))
    await consumer.close()
    await stream.join()
    const members = await stream.redis.xinfo('CONSUMERS', stream.first.events, stream.group)
    expect(members).not.toContainEqual(expect.arrayContaining([consumer.name]))
  })

  test('the clean feed takes each key once, wherever its event came in', async () => {
    const feed = createFeed(stream.redis, stream.keys, 60_000)
    const records = Array.from({ length: 60 }, (_, i) => ({
      ...{ contract: 'validated', key: `corr-${i}`, origin: { partition: i % PARTITIONS, entryId: '1-1' } },
      ...{ receivedAt: 1, trace: '', value: '{}' },
    }))
    await feed.append(records)
    await feed.append(records)
    const lengths = await Promise.all(stream.keys.map((keys) => stream.redis.xlen(keys.feed)))
    expect(lengths.reduce((sum, length) => sum + length)).toBe(records.length)
    expect(Math.min(...lengths)).toBeGreaterThan(0)
    await feed.ping()
  })

  test('dead letters are listed, redriven, exported, discarded and kept within their budget', async () => {
    onTestFinished(() => void vi.unstubAllEnvs())
    vi.stubEnv('REDIS_URL', cluster.url)
    vi.stubEnv('STREAM_PREFIX', stream.first.events.split(':')[0] ?? '')
    vi.stubEnv('PARTITIONS', String(PARTITIONS))
    const letters = stream.keys.map(({ partition }) => letter({ delivery: `d-${partition}` }))
    for (const one of letters) await stream.producer.deadLetter([one])
    await appendToEach()
    const budget = { maxBytes: 65_536, maxAgeMs: 60_000 }
    await new BudgetKeeper(stream.redis, stream.keys, budget, quiet).check()

    const status = await runCommandLine(['status'])
    expect(status).toMatchObject({ exitCode: 0, err: '' })
    expect(status.out).toMatch(/postgres\s.*\b6\b/)
    const list = await runCommandLine(['dead', 'list'])
    expect(list.out).toMatch(/6 .*refused_by_store|refused_by_store.* 6/)
    const show = await runCommandLine(['dead', 'export'])
    expect(show.out.trim().split('\n').length).toBe(PARTITIONS)
    const [id] = /\b5\/\d+-\d+/.exec(list.out) ?? []
    expect((await runCommandLine(['dead', 'discard', id ?? '', '--because', 'a test'])).err).toBe('')
    expect((await runCommandLine(['dead', 'redrive'])).err).toBe('')
    expect(await new DeadLetterCounter(stream.redis, stream.keys).count()).toEqual(new Map())
    const entries = await Promise.all(stream.keys.map(({ events }) => stream.redis.xlen(events)))
    expect(entries.reduce((sum, length) => sum + length)).toBe(2 * PARTITIONS - 1)
  })
})

describe('the reader', () => {
  const options = { group: 'g', consumer: 'c', count: 60, blockMs: undefined }

  test('gives what it was given, though a partition fails; then it says so', async () => {
    const [lacking, ...others] = stream.keys
    for (const { events } of others) await stream.redis.xgroup('CREATE', events, 'g', '0', 'MKSTREAM')
    await appendToEach()
    const reader = createReader(stream.redis, stream.keys)
    const entries = await reader.read(options)
    expect(entries.map(({ partition }) => partition)).toEqual(others.map(({ partition }) => partition))
    await expect(reader.read(options)).rejects.toThrow('NOGROUP')
    await stream.redis.xgroup('CREATE', lacking?.events ?? '', 'g', '0')
    expect((await reader.read(options)).map(({ partition }) => partition)).toEqual([lacking?.partition])
  })

  test('waits for the first entry, but no longer than `blockMs`', async () => {
    for (const { events } of stream.keys) await stream.redis.xgroup('CREATE', events, 'g', '0', 'MKSTREAM')
    const reader = createReader(stream.redis, stream.keys)
    const begun = Date.now()
    expect(await reader.read({ ...options, blockMs: 300 })).toEqual([])
    expect(Date.now() - begun).toBeGreaterThanOrEqual(300)
    const reading = reader.read({ ...options, blockMs: 20_000 })
    await appendToEach()
    expect((await reading).length).toBeGreaterThan(0)
  })

  test('takes its share of each partition', async () => {
    for (const { events } of stream.keys) await stream.redis.xgroup('CREATE', events, 'g', '0', 'MKSTREAM')
    for (let i = 0; i < 3; i++) await appendToEach()
    const reader = createReader(stream.redis, stream.keys)
    expect((await reader.read({ ...options, count: 2 * PARTITIONS })).length).toBe(2 * PARTITIONS)
    expect((await reader.read({ ...options, count: 1 })).length).toBe(PARTITIONS)
  })
})

describe('a master that goes', () => {
  const patiently = (work: () => Promise<unknown>, signal = AbortSignal.timeout(40_000)) =>
    retryTransient(
      () => askRedis('go on', work),
      signal,
      () => undefined,
      BACKOFF,
    )

  test('in order is followed by every connection, and no request fails', async () => {
    const { events } = stream.first
    await cluster.ready()
    const replica = await cluster.replicaOf(events)
    const { consumer } = await stream.join()
    const ids: string[] = []
    let moved = false
    const writing = (async () => {
      while (!moved) ids.push(...(await stream.producer.append([newEntry('cdc', good('c-1'))])).ids)
      ids.push(...(await stream.producer.append([newEntry('cdc', good('c-1'))])).ids)
    })()
    await cluster.failOver(events)
    moved = true
    await writing
    expect(await cluster.masterOf(events)).toBe(replica)
    const entries = (await readBatches(consumer, ids.length)).flat()
    expect(entries.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  })

  test('by force takes with it what was sent to it alone, is missed, and its replica serves', async () => {
    const { events } = stream.first
    const master = await cluster.masterOf(events)
    const { consumer, reader, commands } = await stream.join()
    let losses = 0
    createReader(reader, stream.keys).onLoss(() => losses++)
    // Frozen, it gets the command and never answers.
    master.pause()
    const append = stream.producer.append([newEntry('cdc', good('not-sent-again'))])
    const refused = expect(append).rejects.toThrow(/^Connection is closed/)
    const asked = askRedis('count', () => commands.xlen(events)).catch((error: unknown) => error)
    await master.kill()
    await refused
    expect(await asked).toBeInstanceOf(TransientError)
    let missed: unknown
    await until(() =>
      checkRedis(commands).then(
        () => false,
        (error: unknown) => {
          missed = error
          return true
        },
      ),
    )
    expect(missed).toBeInstanceOf(TransientError)
    expect(String(missed)).toMatch(/its nodes serve 1\d{4} of 16384 slots/)

    await patiently(() => checkRedis(commands))
    await until(async () => (await cluster.masterOf(events)) !== master)
    // The batch that fails may be kept all the same, of another master.
    for (let i = 0; i < PARTITIONS; i++) {
      await patiently(() => stream.producer.append([newEntry('cdc', good(`later-${i}`))]))
    }
    const read = (await readBatches(consumer, PARTITIONS, 15_000)).flat().map(({ body }) => String(body))
    expect(read.filter((body) => body.includes('later')).length).toBe(PARTITIONS)
    expect(read.filter((body) => body.includes('not-sent-again'))).toEqual([])
    expect(losses).toBeGreaterThan(0)
    await master.start()
    await until(async () => (await cluster.replicaOf(events)) === master)
  })

  test('by freezing is replaced, though it closes no connection and sends no redirection', async () => {
    const { events } = stream.first
    const master = await cluster.masterOf(events)
    const { consumer } = await stream.join()
    expect(await readBatches(consumer, 1, 500)).toEqual([])
    // Sooner than a connection counts as dead that is silent.
    const soon = AbortSignal.timeout(13_000)
    master.pause()
    for (let i = 0; i < PARTITIONS; i++) {
      await patiently(() => stream.producer.append([newEntry('cdc', good(`c-${i}`))]), soon)
    }
    const read = (await readBatches(consumer, PARTITIONS, 30_000)).flat()
    expect(new Set(read.map(({ body }) => String(body))).size).toBe(PARTITIONS)
    expect(await cluster.masterOf(events)).not.toBe(master)
    master.resume()
  })
})
