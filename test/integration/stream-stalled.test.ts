import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { StallWatch } from '../../src/stream/stalled.js'
import { Trimmer } from '../../src/stream/trim.js'
import { runCommandLine } from '../support/command-line.js'
import { newEntry } from '../support/entries.js'
import { readBatches, streamsOfThisFile, type TestStream } from '../support/stream.js'

const NEVER = new AbortController().signal
const AFTER_MS = 300

const open = streamsOfThisFile()

/** Trims and looks, as the maintenance does. */
function watching({ redis, keys, group }: TestStream, leaseMs = AFTER_MS) {
  const sinks = new Map([['interactions', ['interaction-update']]])
  const trimmer = new Trimmer(redis, keys, { windowMs: 0, sinks, ignored: [] })
  const warnings: string[] = []
  const options = { afterMs: AFTER_MS, leaseMs, sinks: [group, 'interactions'] }
  const watch = new StallWatch(redis, options, (message) => warnings.push(message))
  return { warnings, look: async () => watch.look((await trimmer.run(1e12, NEVER)).needs) }
}

const append = ({ producer }: TestStream, count: number, source = 'cdc') =>
  producer.append(Array.from({ length: count }, () => newEntry(source, '{}')))

test('a group without workers is named once, with what it keeps and the remedy', async () => {
  const stream = await open({ partitions: 2 })
  const { first, group, redis } = stream
  await stream.join()
  await append(stream, 30)
  await append(stream, 20)
  const { look, warnings } = watching(stream)
  expect(await look()).toEqual([])
  await append(stream, 10)
  await append(stream, 10)
  await sleep(AFTER_MS)
  expect(await look()).toEqual([group])
  expect(await look()).toEqual([group])
  expect(warnings).toHaveLength(1)
  const [id = ''] = (await redis.xrange(first.events, '-', '+', 'COUNT', 1))[0] ?? []
  const since = new Date(Number.parseInt(id, 10)).toISOString()
  for (const part of [
    group,
    first.events,
    '1 more streams',
    '70 entries',
    ' MB',
    since,
    `SINKS_NOT_RUN=${group}`,
  ])
    expect(warnings[0]).toContain(part)
})

test('a group of somebody else is named with the command that removes it', async () => {
  const stream = await open()
  await stream.redis.xgroup('CREATE', stream.first.events, 'prefect', '0', 'MKSTREAM')
  await append(stream, 5)
  const { look, warnings } = watching(stream)
  await look()
  await sleep(AFTER_MS)
  expect(await look()).toEqual(['prefect'])
  expect(warnings[0]).toContain(`XGROUP DESTROY ${stream.first.events} prefect`)
})

test('a sink without a group is named as soon as something waits for it', async () => {
  const stream = await open()
  const { consumer } = await stream.join()
  await append(stream, 5)
  await append(stream, 1, 'interaction-update')
  await append(stream, 5)
  await consumer.acknowledge(
    (await readBatches(consumer, 11)).flat().map((entry) => ({ entry, letters: [] })),
  )
  // Only what would be trimmed is searched, and that ends with the last entry.
  const { look, warnings } = watching(stream)
  await look()
  await sleep(AFTER_MS)
  expect(await look()).toEqual(['interactions'])
  expect(warnings[0]).toMatch(
    /interactions has no consumer group in .* 6 entries.*SINKS_NOT_RUN=interactions/,
  )
})

test('a group that comes on, or works on its oldest entry, is not named', async () => {
  const stream = await open()
  const { consumer } = await stream.join({ leaseMs: 600 })
  await append(stream, 10)
  const [batch = []] = await readBatches(consumer, 10)
  const { look, warnings } = watching(stream, 600)
  // Its store is away: it renews its lease, and nothing moves.
  for (let i = 0; i < 6; i++) {
    expect(await look()).toEqual([])
    await sleep(AFTER_MS / 2)
  }
  await append(stream, 10)
  await consumer.acknowledge(batch.map((entry) => ({ entry, letters: [] })))
  expect(await look()).toEqual([])
  expect(warnings).toEqual([])
})

test('an entry that was read and never acknowledged counts as stalled', async () => {
  const stream = await open()
  const { consumer, crash } = await stream.join({ leaseMs: AFTER_MS })
  await append(stream, 10)
  await readBatches(consumer, 10)
  crash()
  const { look } = watching(stream)
  await sleep(AFTER_MS + 50)
  expect(await look()).toEqual([])
  await sleep(AFTER_MS)
  expect(await look()).toEqual([stream.group])
})

test('`tributary status` points at a group without workers, and leaves out a sink that is not run', async () => {
  const { redis, first } = await open()
  onTestFinished(() => void vi.unstubAllEnvs())
  vi.stubEnv('REDIS_URL', inject('services').redisUrl)
  vi.stubEnv('STREAM_PREFIX', first.events.split(':')[0])
  await redis.xgroup('CREATE', first.events, 'mongo', '0', 'MKSTREAM')
  await redis.xadd(first.events, `${Date.now() - 3_600_000}-0`, 'cdc', '{}')
  expect((await runCommandLine(['status'])).out).toMatch(
    /^mongo: no worker reads this group, .*docs\/replay\.md/m,
  )
  expect((await runCommandLine(['status'])).out).toMatch(/^postgres: no consumer group/m)
  vi.stubEnv('SINKS_NOT_RUN', 'postgres, feed')
  expect((await runCommandLine(['status'])).out).not.toMatch(/postgres|feed/)
  vi.stubEnv('SINKS_NOT_RUN', 'postgers')
  expect((await runCommandLine(['status'])).err).toContain(
    'SINKS_NOT_RUN names postgers, which is not a sink',
  )
})
