import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { DeadLetterCounter } from '../../src/stream/dead-letters/counter.js'
import { discardLetters } from '../../src/stream/dead-letters/discard.js'
import { addUp, readLag } from '../../src/stream/lag.js'
import { redisTime } from '../../src/stream/redis.js'
import { newEntry } from '../support/entries.js'
import { letter } from '../support/letters.js'
import { readBatches, streamsOfThisFile, type TestStream, until } from '../support/stream.js'

const open = streamsOfThisFile()

const append = ({ producer }: TestStream, count: number) =>
  producer.append(Array.from({ length: count }, () => newEntry('cdc', '{}')))
async function measure({ redis, keys }: TestStream, sinks: string[] = []) {
  const streams = await readLag(redis, keys, 'page')
  return { streams, groups: addUp(streams, sinks) }
}

/** What the measure of a group should be, asked of Redis entry by entry. */
async function counted({ redis, keys }: TestStream, group: string) {
  const now = await redisTime(redis)
  const ageOf = (id: string | undefined) => (id === undefined ? 0 : now - Number.parseInt(id, 10))
  const all = { undelivered: 0, pending: 0, oldestUndeliveredMs: 0, oldestPendingMs: 0 }
  for (const { events } of keys) {
    const groups = ((await redis.xinfo('GROUPS', events)) as unknown[][]).filter((one) => one[1] === group)
    const after = groups[0] ? `(${String(groups[0][groups[0].indexOf('last-delivered-id') + 1])}` : '-'
    const unread = await redis.xrange(events, after, '+')
    const pending = groups[0] ? ((await redis.xpending(events, group, '-', '+', 100_000)) as [string][]) : []
    all.undelivered += unread.length
    all.pending += pending.length
    all.oldestUndeliveredMs = Math.max(all.oldestUndeliveredMs, ageOf(unread[0]?.[0]))
    all.oldestPendingMs = Math.max(all.oldestPendingMs, ageOf(pending[0]?.[0]))
  }
  return all
}

async function expectRight(stream: TestStream, group: string, lagKnown = true): Promise<void> {
  const before = await counted(stream, group)
  const measured = (await measure(stream, [group])).groups.get(group)
  const { oldestUndeliveredMs, oldestPendingMs, ...exact } = await counted(stream, group)
  expect(measured).toMatchObject({ ...exact, lagKnown })
  // Ages grow from one look to the next.
  const ages = [measured?.oldestUndeliveredMs ?? 0, measured?.oldestPendingMs ?? 0]
  expect(ages[0]).toBeGreaterThanOrEqual(before.oldestUndeliveredMs)
  expect(ages[0]).toBeLessThanOrEqual(oldestUndeliveredMs)
  expect(ages[1]).toBeGreaterThanOrEqual(before.oldestPendingMs)
  expect(ages[1]).toBeLessThanOrEqual(oldestPendingMs)
}

test('the figures of a group are what is counted, whatever has happened to it', async () => {
  const stream = await open({ partitions: 2 })
  const { redis, keys, group, first } = stream
  // No stream, a stream without the group, a group that has read nothing.
  expect((await measure(stream, ['fresh'])).groups.get('fresh')).toMatchObject({ undelivered: 0, pending: 0 })
  await append(stream, 30)
  await append(stream, 20)
  await expectRight(stream, 'fresh')
  const { consumer, crash } = await stream.join()
  await expectRight(stream, group)
  // A consumer that has read, and is dead.
  const batch = (await readBatches(consumer, 40)).flat()
  await consumer.acknowledge(batch.slice(0, 7).map((entry) => ({ entry, letters: [] })))
  crash()
  await append(stream, 12)
  await expectRight(stream, group)
  // Settled entries are trimmed; then unread ones, by hand, and one in the middle.
  await redis.xtrim(first.events, 'MINID', batch.find(({ partition }) => partition === 0)?.id ?? '')
  await expectRight(stream, group)
  const [, , middle] = await redis.xrange(keys[1]?.events ?? '', '-', '+')
  await redis.xdel(keys[1]?.events ?? '', middle?.[0] ?? '')
  const { groups, streams } = await measure(stream, [group])
  expect(groups.get(group)?.undelivered).toBe((await counted(stream, group)).undelivered)
  expect(streams.map(({ length }) => length)).toEqual(
    await Promise.all(keys.map(({ events }) => redis.xlen(events))),
  )
  for (const { bytes } of streams) expect(bytes).toBeGreaterThan(1_000)
})

test('the figures are right while entries come and go, within what comes and goes meanwhile', async () => {
  const stream = await open()
  const { consumer } = await stream.join()
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  let [appended, settled] = [0, 0]
  const coming = (async () => {
    for (; !stop.signal.aborted; appended += 50) {
      await append(stream, 50)
      await sleep(2)
    }
  })()
  const going = (async () => {
    while (!stop.signal.aborted) {
      const entries = await consumer.read(stop.signal)
      await consumer.acknowledge(entries.map((entry) => ({ entry, letters: [] })))
      settled += entries.length
    }
  })()
  for (let round = 0; round < 40; round++) {
    const least = appended - settled
    const [settledBefore, appendedBefore] = [settled, appended]
    const { groups, streams } = await measure(stream)
    const { undelivered = 0, pending = 0 } = groups.get(stream.group) ?? {}
    // One moment: what is in the log is undelivered, pending or settled, and nothing twice.
    const slack = settled - settledBefore + 100
    expect(undelivered + pending).toBeGreaterThanOrEqual(least - slack)
    expect(undelivered + pending).toBeLessThanOrEqual(appended - settledBefore + 50)
    expect(streams[0]?.length).toBeGreaterThanOrEqual(appendedBefore)
    await sleep(5)
  }
  stop.abort()
  await Promise.all([coming, going])
  await until(async () => (await stream.pending()) === 0)
  await expectRight(stream, stream.group)
})

test('above a page the lag is what Redis says, and about right where Redis does not know', async () => {
  const stream = await open()
  await stream.join()
  for (let i = 0; i < 30; i++) {
    await append(stream, 100)
    await sleep(2)
  }
  await expectRight(stream, stream.group)
  const entries = await stream.redis.xrange(stream.first.events, '-', '+', 'COUNT', 2_000)
  await stream.redis.xgroup('SETID', stream.first.events, stream.group, entries[500]?.[0] ?? '')
  await stream.redis.xdel(stream.first.events, entries[1_500]?.[0] ?? '')
  const { undelivered = 0, lagKnown } = (await measure(stream)).groups.get(stream.group) ?? {}
  expect(lagKnown).toBe(false)
  expect(undelivered).toBeGreaterThan(1_500)
  expect(undelivered).toBeLessThan(3_000)
})

test('dead letters are counted by sink, as they come and as they go', async () => {
  const stream = await open({ partitions: 2 })
  const census = new DeadLetterCounter(stream.redis, stream.keys)
  const deadLetter = (sink: string, count: number) =>
    stream.producer.deadLetter(Array.from({ length: count }, () => letter({ sink })))
  expect(await census.count()).toEqual(new Map())
  await deadLetter('postgres', 5)
  await deadLetter('mongo', 3)
  expect(await census.count()).toEqual(new Map(Object.entries({ postgres: 5, mongo: 3 })))
  await deadLetter('postgres', 2)
  expect((await census.count()).get('postgres')).toBe(7)
  const range = { from: '-', to: '+', most: 4 }
  await discardLetters(stream.redis, stream.first, [range], { by: 'a test', because: 'it can' })
  expect((await census.count()).get('postgres')).toBe(3)
})
