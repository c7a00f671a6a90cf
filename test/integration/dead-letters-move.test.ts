import { afterEach, describe, expect, test, vi } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { RejectedError } from '../../src/errors.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { toLetters } from '../../src/pipeline/letters.js'
import { createJudge } from '../../src/pipeline/redrive.js'
import { browse, withBodies } from '../../src/stream/dead-letters/browse.js'
import { BudgetKeeper } from '../../src/stream/dead-letters/budget.js'
import { moveToLog, type Redriven } from '../../src/stream/dead-letters/redrive.js'
import { dead, entriesOf, idsOf, letter, streams } from '../support/letters.js'
import type { TestStream } from '../support/stream.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('`tributary dead redrive`', () => {
  test('moves letters to the log, at the place that they had, and leaves those that would fail', async () => {
    const stream = await streams(2)
    await stream.producer.deadLetter([letter(), letter({ body: Buffer.from('{"no":1}') })])
    await stream.producer.deadLetter([letter({ source: 'data-action', sink: 'postgres' })])
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
    await stream.producer.deadLetter([letter(about)])
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
    await stream.producer.deadLetter(toLetters({ ...decode('mongo'), changes }, refused, 'mongo'))
    expect(await stream.letters()).toMatchObject([
      { attempts: '3', first: '1763780760999', entry: '0/1763780760125-3', index: '4', body: event },
    ])
  })

  test('sends what the edge refused to all sinks, at the place of its letter', async () => {
    const stream = await streams()
    await stream.producer.deadLetter([letter({ sink: 'edge', entry: '', index: undefined })])
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

  test('separates letters that the edge would refuse again from those that it would accept now, for each sink', async () => {
    const stream = await streams()
    const edge = { sink: 'edge', entry: '', index: undefined, source: 'interaction-update' }
    await stream.producer.deadLetter([letter({ ...edge, body: Buffer.from('{"interactionId":1}') })])
    const mixed = [5, { id: 'a', timestamp: '2025-11-22T03:00:00Z' }]
    await stream.producer.deadLetter([
      letter({ ...edge, source: 'contact-sync', body: Buffer.from(JSON.stringify({ events: mixed })) }),
    ])
    const { out } = await dead('redrive')
    expect(out).toMatch(/^redriven +1$/m)
    expect(out).toMatch(/^would fail again: invalid_body +1$/m)
    expect(await entriesOf(stream)).toMatchObject([{ source: 'contact-sync' }])
  })

  test('moves a letter once, however many do it at once', async () => {
    const stream = await streams()
    await stream.producer.deadLetter(Array.from({ length: 500 }, () => letter()))
    const judge = createJudge(CONTRACTS, { maxClockSkewMs: 0 })
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
    await stream.producer.deadLetter(Array.from({ length: 30 }, () => letter()))
    const began = performance.now()
    await dead('redrive', '--rate', '20')
    expect(performance.now() - began).toBeGreaterThan(1_400)
    expect(await entriesOf(stream)).toHaveLength(30)
  })
})

describe('`tributary dead discard`', () => {
  test('needs to know which and why, and leaves a trace', async () => {
    const stream = await streams(2)
    await stream.producer.deadLetter([letter(), letter({ reason: 'malformed_json' })])
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
    await stream.producer.deadLetter([letter()])
    const { keeper, said } = keeperOf(stream, {})
    await keeper.check()
    await keeper.check()
    expect(said).toEqual([])
  })

  test('of bytes is announced before it acts, and drops the oldest', async () => {
    const stream = await streams()
    await stream.producer.deadLetter(Array.from({ length: 50 }, big))
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
    await stream.producer.deadLetter([letter()])
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
