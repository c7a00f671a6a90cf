import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { RejectedError } from '../../src/errors.js'
import { MANIFEST } from '../../src/manifest.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { toLetters } from '../../src/pipeline/letters.js'
import { createJudge } from '../../src/pipeline/redrive.js'
import type { DeadLetter } from '../../src/stream/dead-letter.js'
import { browse, withBodies } from '../../src/stream/dead-letters/browse.js'
import { BudgetKeeper } from '../../src/stream/dead-letters/budget.js'
import { moveToLog, type Redriven } from '../../src/stream/dead-letters/redrive.js'
import { type Entry, fromReply, type RawEntry } from '../../src/stream/entry.js'
import { runCommandLine } from '../support/command-line.js'
import { freshName } from '../support/fresh.js'
import { openStream, type TestStream } from '../support/stream.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

async function streams(partitions = 1): Promise<TestStream> {
  const stream = await openStream({ partitions })
  onTestFinished(() => stream.end())
  vi.stubEnv('REDIS_URL', inject('services').redisUrl)
  vi.stubEnv('STREAM_PREFIX', stream.first.events.split(':')[0] ?? '')
  vi.stubEnv('PARTITIONS', String(partitions))
  return stream
}

const dead = (...args: string[]) => runCommandLine(['dead', ...args])

const good = (id: string) => ({
  webhookId: 'w',
  eventType: 'contact.created',
  timestamp: '2025-11-22T03:00:00Z',
  eventData: { id },
})

/** A letter that would be delivered today. */
function letter(more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    ...{ reason: 'refused_by_store', message: 'too long', errors: [], sink: 'postgres', source: 'cdc' },
    ...{ entry: '0/1763780760125-3', index: 0, receivedAt: 1_763_780_760_125, delivery: 'd-1', trace: 't-1' },
    ...{ attempts: 1, firstAt: 1_763_780_760_999, body: Buffer.from(JSON.stringify(good('c-1'))) },
    ...more,
  }
}

async function entriesOf({ redis, keys }: TestStream): Promise<Entry[]> {
  const parts = await Promise.all(
    keys.map(async ({ partition, events }) => {
      const page = (await redis.callBuffer('XRANGE', events, '-', '+')) as RawEntry[]
      return page.flatMap((raw) => fromReply(partition, raw) ?? [])
    }),
  )
  return parts.flat()
}

async function idsOf({ redis, keys }: TestStream): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of browse(redis, keys, {})) ids.push(id)
  return ids
}

describe('`tributary dead list`', () => {
  test('counts by reason first, then shows the newest, of all partitions', async () => {
    const stream = await streams(3)
    for (let i = 0; i < 5; i++) {
      await stream.producer.bury([letter({ message: `m${i}` })])
      await sleep(5)
    }
    await stream.producer.bury([
      letter({ sink: 'edge', entry: '', reason: 'malformed_json', body: Buffer.of(0xff) }),
    ])
    const { exitCode, out } = await dead('list', '--limit', '2')
    expect(exitCode).toBe(0)
    expect(out).toMatch(
      /^REASON +SINK +CONTRACT +LETTERS\nrefused_by_store +postgres +cdc +5\nmalformed_json +edge +cdc +1\nall +6\n\nID/,
    )
    expect(out).toMatch(
      /\n2\/\d+-0 +0 s ago +edge +cdc +- +1 +malformed_json +too long\n1\/\S+ .* c-1 +1 .* m4\n/,
    )
    expect(out).toMatch(/\nThe newest 2 of 6\.\n$/)
  })

  test('filters by everything that there is to ask for', async () => {
    const stream = await streams()
    await stream.producer.bury([
      letter(),
      letter({ sink: 'mongo', body: Buffer.from('{"correlation_id":"x-1","id":"no"}') }),
      letter({ source: 'data-action', reason: 'unknown_type', body: Buffer.from('{"id":7}') }),
    ])
    const count = async (...args: string[]) => {
      const { out } = await dead('list', '--json', ...args)
      return (JSON.parse(out) as { letters: { event: string }[] }).letters.map(({ event }) => event)
    }
    expect((await count()).toSorted()).toEqual(['7', 'c-1', 'x-1'])
    expect(await count('--sink', 'mongo')).toEqual(['x-1'])
    expect(await count('--contract', 'data-action')).toEqual(['7'])
    expect(await count('--reason', 'unknown_type', 'malformed_json')).toEqual(['7'])
    expect(await count('--key', 'c-1')).toEqual(['c-1'])
    expect(await count('--since', '1h')).toHaveLength(3)
    expect(await count('--until', '1h')).toEqual([])
    expect(await count('--until', '2025-01-01')).toEqual([])
    expect(await dead('list', '--sink', 'unheard-of')).toMatchObject({ exitCode: 1 })
    expect((await dead('list', '--since', 'lately')).err).toContain('an age like 2h or a date')
  })

  test('sees every letter where there are many', async () => {
    const stream = await streams()
    await stream.producer.bury(Array.from({ length: 2_345 }, () => letter()))
    expect((await dead('list', '--limit', '0')).out).toMatch(/^all +2345$/m)
    expect(new Set(await idsOf(stream)).size).toBe(2_345)
  })

  test('says so where there is none', async () => {
    await streams(2)
    expect(await dead('list')).toMatchObject({ exitCode: 0, out: 'No dead letters.\n' })
  })
})

describe('`tributary dead show`', () => {
  test('tells all that is known, and the body as it is', async () => {
    const stream = await streams()
    const errors = [{ loc: ['eventData', 'id'], msg: 'is required', type: 'required' }]
    await stream.producer.bury([letter({ errors, message: 'one\u001b[2Jline\nonly', attempts: 3 })])
    const [id = ''] = await idsOf(stream)
    const { out } = await dead('show', id)
    for (const part of [
      id,
      'refused_by_store: the database',
      '/eventData/id is required (required)',
      'd-1',
      't-1',
    ])
      expect(out).toContain(part)
    expect(out).toMatch(/^message {3}one \[2Jline only$/m)
    expect(out).toMatch(/^attempts {2}3$/m)
    expect(out).toContain(`\n\n${JSON.stringify(good('c-1'))}\n`)
    expect((await dead('show', id, '--hex')).out).toMatch(/^00000000 {2}7b 22 77 .* \|\{"webhookId":"w"\|$/m)
  })

  test('dumps what is no text', async () => {
    const stream = await streams()
    await stream.producer.bury([letter({ body: Buffer.of(0xff, 0, 0x41) })])
    const [id = ''] = await idsOf(stream)
    expect((await dead('show', id)).out).toMatch(/^00000000 {2}ff 00 41 +\|\.\.A\|$/m)
    expect(JSON.parse((await dead('show', id, '--json')).out)).toMatchObject({ body: 'base64:/wBB' })
  })

  test.each([
    ['0/1-1', 'There is no dead letter 0/1-1'],
    ['17', '"17" is no id of a dead letter'],
  ])('%s is not there', async (id, message) => {
    await streams()
    expect(await dead('show', id)).toMatchObject({ exitCode: 1, err: expect.stringContaining(message) })
  })
})

describe('`tributary dead export`', () => {
  test('writes exactly what C2 and C5 publish', async () => {
    const stream = await streams()
    const errors = [{ loc: ['data', 'score'], msg: 'must be number', type: 'type' }]
    await stream.producer.bury([
      letter({ errors, attempts: 3, body: Buffer.from('{ "correlation_id": "k-1" }') }),
      letter({ body: Buffer.of(0xc3) }),
    ])
    const lines = async (...args: string[]) =>
      (await dead('export', ...args)).out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object)
    const time = expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/)
    expect(await lines('--format', 'c2')).toEqual([
      {
        timestamp: time,
        original_payload: '{ "correlation_id": "k-1" }',
        error_message: 'too long',
        retry_count: 2,
        status: 'pending_inspection',
      },
      expect.objectContaining({ original_payload: 'base64:ww==', retry_count: 0 }),
    ])
    expect(await lines('--format', 'c5')).toEqual([
      {
        dlq_timestamp: time,
        original_correlation_id: 'k-1',
        validation_errors: errors,
        original_payload: '{ "correlation_id": "k-1" }',
        consumer_version: MANIFEST.version,
      },
      expect.objectContaining({
        original_correlation_id: null,
        validation_errors: [{ loc: [], msg: 'too long', type: 'refused_by_store' }],
      }),
    ])
  })

  test('writes all to a new file, and to no other', async () => {
    const stream = await streams(2)
    for (let i = 0; i < 2; i++) await stream.producer.bury(Array.from({ length: 600 }, () => letter()))
    const file = join(tmpdir(), freshName('letters'))
    expect(await dead('export', '--output', file)).toMatchObject({ exitCode: 0, out: '' })
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(1_200)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      reason: 'refused_by_store',
      event: 'c-1',
      entry: '0/1763780760125-3',
    })
    expect((await dead('export', '--output', file)).err).toContain('EEXIST')
    expect(await idsOf(stream)).toHaveLength(1_200)
  })
})

describe('`tributary dead redrive`', () => {
  test('moves letters to the log, at the place that they had, and leaves those that would fail', async () => {
    const stream = await streams(2)
    await stream.producer.bury([letter(), letter({ body: Buffer.from('{"no":1}') })])
    await stream.producer.bury([letter({ source: 'data-action', sink: 'postgres' })])
    const dry = await dead('redrive', '--dry-run')
    expect(dry.out).toMatch(/^would be redriven +1$/m)
    expect(await idsOf(stream)).toHaveLength(3)
    const { out, exitCode } = await dead('redrive')
    expect(exitCode).toBe(0)
    expect(out).toMatch(/^redriven +1$/m)
    expect(out).toMatch(/^would fail again: invalid_body +1$/m)
    expect(out).toMatch(/^1\/\S+ {2}unknown_type: data-action does not feed postgres/m)
    expect(await idsOf(stream)).toHaveLength(2)
    expect(await entriesOf(stream)).toMatchObject([
      {
        ...{ source: 'cdc', delivery: 'd-1', trace: 't-1', body: letter().body },
        origin: {
          ...{ partition: 0, entryId: '1763780760125-3', index: 0, sink: 'postgres' },
          ...{ attempts: 1, firstAt: 1_763_780_760_999 },
        },
      },
    ])
    expect((await dead('redrive')).out).toMatch(/^redriven +0$/m)
    expect(await entriesOf(stream)).toHaveLength(1)
  })

  test('one that dies again counts its attempts, and is for no sink but its own', async () => {
    const stream = await streams()
    const event = '{ "id":"b", "timestamp":"2025-11-22T03:00:00Z" }'
    const about = { source: 'contact-sync', sink: 'mongo', index: 4, attempts: 2, body: Buffer.from(event) }
    await stream.producer.bury([letter(about)])
    await dead('redrive')
    const [entry] = await entriesOf(stream)
    if (!entry) throw new Error('nothing was redriven')
    const decode = (sink: 'mongo' | 'postgres') =>
      createDecoder({ contracts: CONTRACTS, sink, maxClockSkewMs: 0 })(entry)
    expect(decode('postgres')).toMatchObject({ changes: [], rejected: new Map() })
    const { changes } = decode('mongo')
    expect(changes).toMatchObject([
      { key: 'b', origin: { partition: 0, entryId: '1763780760125-3', index: 4 } },
    ])
    const refused = new Map(changes.map((change) => [change, new RejectedError('refused_by_store', 'again')]))
    await stream.producer.bury(toLetters({ ...decode('mongo'), changes }, refused, 'mongo'))
    expect(await stream.letters()).toMatchObject([
      { attempts: '3', first: '1763780760999', entry: '0/1763780760125-3', index: '4', body: event },
    ])
  })

  test('sends what the edge refused to all sinks, at the place of its letter', async () => {
    const stream = await streams()
    await stream.producer.bury([letter({ sink: 'edge', entry: '', index: undefined })])
    const [id = ''] = await idsOf(stream)
    await dead('redrive', id)
    const [entry] = await entriesOf(stream)
    expect(entry?.origin).toMatchObject({
      partition: 256,
      entryId: id.slice(2),
      index: undefined,
      sink: 'edge',
    })
    for (const sink of ['postgres', 'mongo'] as const) {
      const decode = createDecoder({ contracts: CONTRACTS, sink, maxClockSkewMs: 0 })
      expect(entry && decode(entry).changes).toMatchObject([{ key: 'c-1' }])
    }
  })

  test('tells what the edge refused from what would be accepted now, whoever is to take it', async () => {
    const stream = await streams()
    const edge = { sink: 'edge', entry: '', index: undefined, source: 'interaction-update' }
    await stream.producer.bury([letter({ ...edge, body: Buffer.from('{"interactionId":1}') })])
    const mixed = [5, { id: 'a', timestamp: '2025-11-22T03:00:00Z' }]
    await stream.producer.bury([
      letter({ ...edge, source: 'contact-sync', body: Buffer.from(JSON.stringify({ events: mixed })) }),
    ])
    const { out } = await dead('redrive')
    expect(out).toMatch(/^redriven +1$/m)
    expect(out).toMatch(/^would fail again: invalid_body +1$/m)
    expect(await entriesOf(stream)).toMatchObject([{ source: 'contact-sync' }])
  })

  test('moves a letter once, however many do it at once', async () => {
    const stream = await streams()
    await stream.producer.bury(Array.from({ length: 500 }, () => letter()))
    const judge = createJudge(CONTRACTS, 0)
    const redriven: Redriven[] = []
    for await (const letters of withBodies(stream.redis, stream.keys, browse(stream.redis, stream.keys, {})))
      redriven.push(...letters.map((one) => judge(one).redriven))
    const moves = Array.from({ length: 4 }, () => moveToLog(stream.redis, stream.first, redriven))
    expect((await Promise.all(moves)).reduce((sum, moved) => sum + moved)).toBe(500)
    expect(await entriesOf(stream)).toHaveLength(500)
    expect(await idsOf(stream)).toEqual([])
  })

  test('keeps to its rate', async () => {
    const stream = await streams()
    await stream.producer.bury(Array.from({ length: 30 }, () => letter()))
    const began = performance.now()
    await dead('redrive', '--rate', '20')
    expect(performance.now() - began).toBeGreaterThan(1_400)
    expect(await entriesOf(stream)).toHaveLength(30)
  })
})

describe('`tributary dead discard`', () => {
  test('needs to know which and why, and leaves a trace', async () => {
    const stream = await streams(2)
    await stream.producer.bury([letter(), letter({ reason: 'malformed_json' })])
    expect((await dead('discard')).err).toContain("required option '--because")
    expect((await dead('discard', '--because', 'x')).err).toContain('Which letters?')
    const args = ['discard', '--reason', 'malformed_json', '--because', 'port scan', '--by', 'ada']
    expect((await dead(...args, '--dry-run')).out).toBe('1 dead letters would be discarded\n')
    expect(await idsOf(stream)).toHaveLength(2)
    expect((await dead(...args)).out).toBe('1 dead letters discarded\n')
    expect(await stream.letters()).toMatchObject([{ reason: 'refused_by_store' }])
    expect((await dead('discarded')).out).toMatch(
      /^20\S+ +0\/\d+-\d +ada +port scan +malformed_json +postgres +cdc +c-1$/m,
    )
    expect((await dead('discard', '--all', '--because', 'all of it')).out).toBe('1 dead letters discarded\n')
    expect(await idsOf(stream)).toEqual([])
    const [[, trace] = ['', []]] = await stream.redis.xrange(stream.first.discarded, '-', '+')
    expect(trace).not.toContain('body')
  })
})

describe('the budget', () => {
  const DAY = 86_400_000
  const keeperOf = (stream: TestStream, budget: { maxBytes?: number; maxAgeMs?: number }) => {
    const said: string[] = []
    const full = { maxBytes: 1e9, maxAgeMs: 90 * DAY, ...budget }
    return { said, keeper: new BudgetKeeper(stream.redis, stream.keys, full, (line) => said.push(line)) }
  }
  const big = () => letter({ body: Buffer.alloc(10_000, 'x') })

  test('says nothing while there is room', async () => {
    const stream = await streams(2)
    await stream.producer.bury([letter()])
    const { keeper, said } = keeperOf(stream, {})
    await keeper.check()
    await keeper.check()
    expect(said).toEqual([])
  })

  test('of bytes is announced before it acts, and drops the oldest', async () => {
    const stream = await streams()
    await stream.producer.bury(Array.from({ length: 50 }, big))
    const all = await idsOf(stream)
    const { keeper, said } = keeperOf(stream, { maxBytes: 300_000 })
    await keeper.check()
    expect(said).toEqual([
      expect.stringMatching(/reached 2\d\d % of their share of DEAD_LETTER_MAX_BYTES: over 100/),
    ])
    expect(await idsOf(stream)).toEqual(all)
    await Promise.all([keeper.check(), keeper.check(), keeper.check()])
    const left = await idsOf(stream)
    expect(left).toEqual(all.slice(all.length - left.length))
    expect(left.length).toBeGreaterThan(15)
    expect(left.length).toBeLessThan(30)
    expect(said[1]).toMatch(/^Dropped the \d+ oldest dead letters .* over DEAD_LETTER_MAX_BYTES/)
    expect(await stream.redis.xlen(stream.first.discarded)).toBe(all.length - left.length)
    const [[, trace] = ['', []]] = await stream.redis.xrange(stream.first.discarded, '-', '+')
    expect(trace).toEqual(expect.arrayContaining(['tributary', 'over budget: bytes', 'refused_by_store']))
  })

  test('of age drops what is older, and nothing else', async () => {
    const stream = await streams()
    await stream.producer.bury([letter()])
    const [, fields] = (await stream.redis.xrange(stream.first.dead, '-', '+'))[0] ?? ['', []]
    await stream.redis.del(stream.first.dead)
    for (const days of [95, 91, 80, 1])
      await stream.redis.xadd(stream.first.dead, `${Date.now() - days * DAY}-0`, ...fields)
    const { keeper, said } = keeperOf(stream, {})
    await keeper.check()
    expect(said).toEqual([expect.stringContaining('the oldest 106 % of DEAD_LETTER_MAX_AGE_MS')])
    expect(await idsOf(stream)).toHaveLength(4)
    await keeper.check()
    expect(await idsOf(stream)).toHaveLength(2)
    expect(said[1]).toContain('Dropped the 2 oldest dead letters')
    await keeper.check()
    expect(said).toHaveLength(2)
  })
})
