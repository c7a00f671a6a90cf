import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startRole } from '../../src/dev/roles.js'
import { groupFigures } from '../../src/stream/groups.js'
import { newEntry } from '../support/entries.js'
import { ownServers } from '../support/own.js'
import { openStream, until } from '../support/stream.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')
const PARTITIONS = 3
/** Entries of one append. */
const APPENDED = 40

const servers = ownServers(() => undefined)
afterAll(() => servers.end())

const event = (id: string) => ({
  event: 'interaction.completed',
  timestamp: '2026-11-22T09:30:00Z',
  correlation_id: id,
  data: { channel: 'voice', duration_seconds: 5, agent_id: 'a', customer_email: 'ada@example.com' },
})

test('workers of the feed that are killed in the middle of batches double nothing and lose nothing', async () => {
  const { url } = await servers.redis()
  const stream = await openStream({ url, partitions: PARTITIONS })
  onTestFinished(() => stream.end())
  const prefix = stream.first.events.split(':')[0]
  const logFile = join(mkdtempSync(join(tmpdir(), 'tributary-rig-')), 'feed.log')
  const env = {
    ...process.env,
    HOST: '127.0.0.1',
    REDIS_URL: url,
    PARTITIONS: String(PARTITIONS),
    FEED_PARTITIONS: String(PARTITIONS),
    STREAM_PREFIX: prefix,
    // Small batches, so that there is always one in the middle.
    BATCH_MAX_EVENTS: '15',
    LEASE_MS: '500',
  }
  const start = async () => {
    const options = { main: MAIN, role: 'feed', env, logFile }
    const started = await startRole({ ...options, onWarning: () => undefined }, new AbortController().signal)
    onTestFinished(() => started.kill('SIGKILL'))
    return started
  }
  const appended = async () =>
    (await Promise.all(stream.keys.map(({ feed }) => stream.redis.xlen(feed)))).reduce((sum, n) => sum + n)

  // Most ids come several times, in any partitions; what is killed before it is acknowledged comes again.
  const sent = new Set<string>()
  let killing = true
  const append = async () => {
    for (let first = 0; killing; first += APPENDED / 2) {
      const ids = Array.from({ length: APPENDED }, (_, n) => `corr-${first + n * 7}`)
      await stream.producer.append(ids.map((id) => newEntry('validated', event(id))))
      for (const id of ids) sent.add(id)
      await sleep(15)
    }
  }
  const appending = append()
  let killedAtWork = 0
  for (let round = 0; round < 5; round++) {
    const before = await appended()
    const [one, two] = await Promise.all([start(), start()])
    await until(async () => (await appended()) > before + 30)
    for (const worker of [one, two]) worker.kill('SIGKILL')
    await Promise.all([one.exited, two.exited])
    if ((await pending()) > 0) killedAtWork++
  }
  killing = false
  async function pending() {
    const counts = await Promise.all(stream.keys.map(({ events }) => stream.redis.xpending(events, 'feed')))
    return counts.reduce((sum, [count]) => sum + Number(count), 0)
  }
  expect(killedAtWork).toBeGreaterThan(0)
  await appending
  await start()
  await until(async () => {
    const { undelivered, pending } = await groupFigures(stream.redis, stream.keys, 'feed', 2_000)
    return undelivered + pending === 0
  }, 60_000)
  const feeds = await Promise.all(stream.keys.map(({ feed }) => stream.redis.xrange(feed, '-', '+')))
  const keys = feeds.flat().map(([, fields]) => fields[fields.indexOf('key') + 1] ?? '')
  expect(keys.toSorted()).toEqual([...sent].toSorted())
  expect(await stream.letters()).toEqual([])
})
