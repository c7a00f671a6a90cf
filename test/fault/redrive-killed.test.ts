import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, onTestFinished, test } from 'vitest'
import { EDGE } from '../../src/stream/origin.js'
import { openStream, type TestStream, until } from '../support/stream.js'

const MAIN = resolve(import.meta.dirname, '../../dist/src/cli/main.js')
const LETTERS = 10_000

test('a redrive of 10,000 letters that is killed twice loses none and doubles none', async () => {
  const stream = await openStream({ partitions: 2 })
  onTestFinished(() => stream.end())
  await deadLetter(stream)
  for (const after of [1_000, 4_000]) {
    const redrive = start(stream)
    await until(async () => (await lengths(stream)).events > after, 20_000)
    redrive.kill('SIGKILL')
    expect((await once(redrive, 'exit'))[1]).toBe('SIGKILL')
    await sleep(100)
    const { events, dead } = await lengths(stream)
    expect(events + dead).toBe(LETTERS)
    // It was in the middle.
    expect(dead).toBeGreaterThan(1_000)
    expect((await keysOf(stream)).size).toBe(LETTERS)
  }
  const last = start(stream)
  expect((await once(last, 'exit'))[0]).toBe(0)
  expect(await lengths(stream)).toEqual({ events: LETTERS, dead: 0 })
  expect((await keysOf(stream)).size).toBe(LETTERS)
})

function start(stream: TestStream) {
  const env = {
    ...process.env,
    REDIS_URL: inject('services').redisUrl,
    STREAM_PREFIX: stream.first.events.split(':')[0],
    PARTITIONS: '2',
  }
  const redrive = spawn(process.execPath, [MAIN, 'dead', 'redrive', '--rate', '5000'], {
    env,
    stdio: 'ignore',
  })
  onTestFinished(() => void redrive.kill('SIGKILL'))
  return redrive
}

async function deadLetter({ producer }: TestStream): Promise<void> {
  for (let start = 0; start < LETTERS; start += 1_000) {
    await producer.deadLetter(
      Array.from({ length: 1_000 }, (_, i) => ({
        ...{ reason: 'malformed_json', message: 'm', errors: [], sink: EDGE, source: 'data-action' },
        ...{ entry: '', index: undefined, receivedAt: 1, delivery: '', trace: '', attempts: 1, firstAt: 1 },
        body: Buffer.from(JSON.stringify({ id: `k${start + i}`, type: 't' })),
      })),
    )
  }
}

async function lengths({ redis, keys }: TestStream): Promise<{ events: number; dead: number }> {
  const sum = async (streams: string[]) =>
    (await Promise.all(streams.map((name) => redis.xlen(name)))).reduce((total, length) => total + length)
  return {
    events: await sum(keys.map(({ events }) => events)),
    dead: await sum(keys.map(({ dead }) => dead)),
  }
}

/** What all streams hold together, each once. */
async function keysOf({ redis, keys }: TestStream): Promise<Set<string>> {
  const found = new Set<string>()
  for (const { events, dead } of keys) {
    for (const name of [events, dead])
      for (const [, fields] of await redis.xrange(name, '-', '+')) found.add(fields.at(-1) ?? '')
  }
  return found
}
