import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Service } from '../../src/dev/services/service.js'
import { TransientError } from '../../src/errors.js'
import { MANIFEST } from '../../src/manifest.js'
import { type DeadLetter, HEAD_FIELDS } from '../../src/stream/dead-letter.js'
import { connectRedis, createRedis, redisError } from '../../src/stream/redis.js'
import { newEntry } from '../support/entries.js'
import { ownServers } from '../support/own.js'
import { openStream, readBatches, type TestStream } from '../support/stream.js'

/** A Redis of our own: it is filled, killed and emptied here. */
const servers = ownServers(() => undefined)
let service: Service
const open: TestStream[] = []

beforeAll(async () => {
  service = await servers.redis()
})
afterAll(async () => {
  await Promise.all(open.map((stream) => stream.end()))
  await servers.end()
})

async function streams(): Promise<TestStream> {
  const stream = await openStream({ url: service.url })
  open.push(stream)
  return stream
}

function letter(index: number, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    reason: 'invalid_event',
    message: `wrong é${index}`,
    errors: [{ loc: ['eventData', 'id'], msg: 'is required', type: 'required' }],
    sink: 'memory',
    source: 'cdc',
    entry: '0/1-0',
    index,
    receivedAt: 1_763_780_760_125,
    delivery: 'd',
    trace: 't',
    attempts: 2,
    firstAt: 1_763_780_760_200,
    body: Buffer.from(`{"n":${index}}`),
    ...more,
  }
}

/** A consumer that holds one entry. */
async function holding(stream: TestStream) {
  await stream.producer.append([newEntry('cdc', 'x')])
  const { consumer } = await stream.join()
  const [entry] = (await readBatches(consumer, 1)).flat()
  if (!entry) throw new Error('no entry')
  return { consumer, entry }
}

async function whileFull(stream: TestStream, work: () => Promise<void>): Promise<void> {
  await stream.redis.config('SET', 'maxmemory', '1')
  try {
    await work()
  } finally {
    await stream.redis.config('SET', 'maxmemory', '0')
  }
}

/** What a worker makes of a failure. */
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing failed',
    (error: unknown) => redisError(error, 'do it'),
  )

describe('settling with dead letters', () => {
  it('writes them all with every field, and acknowledges the entry', async () => {
    const stream = await streams()
    const { consumer, entry } = await holding(stream)
    const raw = Buffer.of(0, 0xff, 10)
    const about = Buffer.from('{"id":"c-1"}')
    const letters = [letter(0, { body: about }), letter(1, { body: raw, delivery: '' })]
    await consumer.acknowledge([{ entry, letters }])
    expect(await stream.pending()).toBe(0)
    const [first, second] = await stream.letters()
    expect(first).toEqual({
      reason: 'invalid_event',
      message: 'wrong é0',
      errors: '[{"loc":["eventData","id"],"msg":"is required","type":"required"}]',
      sink: 'memory',
      source: 'cdc',
      entry: '0/1-0',
      index: '0',
      received: '1763780760125',
      delivery: 'd',
      event: 'c-1',
      trace: 't',
      attempts: '2',
      first: '1763780760200',
      version: MANIFEST.version,
      status: 'pending_inspection',
      body: '{"id":"c-1"}',
    })
    expect(Object.keys(first ?? {})).toEqual([...HEAD_FIELDS, 'body'])
    expect(second).toMatchObject({ index: '1', delivery: '' })
    const [, last] = await stream.redis.xrangeBuffer(stream.first.dead, '-', '+')
    expect(last?.[1].at(-1)).toEqual(raw)
  })

  it('adds nothing where the entry has been settled before', async () => {
    const stream = await streams()
    const { consumer, entry } = await holding(stream)
    const outcome = [{ entry, letters: [letter(0)] }]
    await Promise.all([consumer.acknowledge(outcome), consumer.acknowledge(outcome)])
    await consumer.acknowledge(outcome)
    expect(await stream.letters()).toHaveLength(1)
  })

  it('takes thousands of letters of one entry', async () => {
    const stream = await streams()
    const { consumer, entry } = await holding(stream)
    const letters = Array.from({ length: 20_000 }, (_, index) => letter(index, { message: 'm' }))
    await consumer.acknowledge([{ entry, letters }])
    expect(await stream.redis.xlen(stream.first.dead)).toBe(20_000)
    expect(await stream.pending()).toBe(0)
  })

  it('keeps the letters where Redis has lost the group', async () => {
    const stream = await streams()
    const { consumer, entry } = await holding(stream)
    await stream.redis.flushall()
    await consumer.acknowledge([{ entry, letters: [letter(0)] }])
    expect(await stream.letters()).toHaveLength(1)
  })

  it('acknowledges nothing while Redis is full, and works once it is not', async () => {
    const stream = await streams()
    const { consumer, entry } = await holding(stream)
    const outcome = [{ entry, letters: [letter(0), letter(1)] }]
    await whileFull(stream, async () => {
      expect(await failure(consumer.acknowledge(outcome))).toBeInstanceOf(TransientError)
      expect([await stream.pending(), (await stream.letters()).length]).toEqual([1, 0])
      await consumer.acknowledge([{ entry: { ...entry, id: '1-1' }, letters: [] }])
      // A worker that is started now can take part: it is what makes room.
      await stream.join()
    })
    await consumer.acknowledge(outcome)
    expect([await stream.pending(), (await stream.letters()).length]).toEqual([0, 2])
  })
})

describe('a producer', () => {
  it('buries what never became an entry', async () => {
    const stream = await streams()
    await stream.producer.deadLetter([letter(0, { sink: 'edge', entry: '' }), letter(0)])
    expect(await stream.letters()).toMatchObject([{ sink: 'edge', entry: '' }, { sink: 'memory' }])
    expect(await stream.redis.exists(stream.first.events)).toBe(0)
  })

  it('appends nothing while Redis is full', async () => {
    const stream = await streams()
    await stream.producer.append([newEntry('cdc', 'x')])
    await whileFull(stream, async () => {
      const full = [newEntry('cdc', 'y'), newEntry('cdc', 'z')]
      expect(await failure(stream.producer.append(full))).toBeInstanceOf(TransientError)
      expect(await failure(stream.producer.deadLetter([letter(0)]))).toBeInstanceOf(TransientError)
    })
    expect(await stream.redis.xlen(stream.first.events)).toBe(1)
    expect(await stream.letters()).toEqual([])
  })

  it('fails at once while Redis is away, never appends twice, and goes on when it is back', async () => {
    const stream = await streams()
    const { producer, first } = stream
    await producer.append([newEntry('cdc', 'before')])
    const { consumer } = await stream.join()
    await readBatches(consumer, 1)
    service.pause()
    const lost = failure(producer.append([newEntry('cdc', 'unanswered')]))
    await service.kill()
    expect(await lost).toBeInstanceOf(TransientError)
    const began = performance.now()
    expect(await failure(producer.append([newEntry('cdc', 'refused')]))).toBeInstanceOf(TransientError)
    expect(performance.now() - began).toBeLessThan(5_000)
    await service.start()
    await expect
      .poll(() => failure(producer.append([newEntry('cdc', 'after')])), { timeout: 10_000 })
      .toBe('nothing failed')
    const entries = (await readBatches(consumer, 1, 10_000)).flat()
    expect(entries.map(({ body }) => body.toString())).toEqual(['after'])
    expect(await stream.redis.xlen(first.events)).toBe(2)
  })
})

describe('a connection', () => {
  it('that cannot be made names the host, and is let go', async () => {
    const redis = createRedis('redis://127.0.0.1:1', 'patient', () => undefined)
    await expect(connectRedis(redis)).rejects.toThrow(/^Redis at 127\.0\.0\.1:1 does not answer .* REDIS_URL/)
    await expect(connectRedis(redis)).rejects.toBeInstanceOf(TransientError)
    expect(redis.status).toBe('end')
  })
})
