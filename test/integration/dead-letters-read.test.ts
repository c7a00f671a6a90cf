import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { MANIFEST } from '../../src/manifest.js'
import { freshName } from '../support/fresh.js'
import { dead, good, idsOf, letter, streams } from '../support/letters.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('`tributary dead list`', () => {
  test('counts by reason first, then shows the newest, of all partitions', async () => {
    const stream = await streams(3)
    for (let i = 0; i < 5; i++) {
      await stream.producer.deadLetter([letter({ message: `m${i}` })])
      await sleep(5)
    }
    await stream.producer.deadLetter([
      letter({ sink: 'edge', entry: '', reason: 'malformed_json', body: Buffer.of(0xff) }),
    ])
    const { exitCode, out } = await dead('list', '--limit', '2')
    expect(exitCode).toBe(0)
    expect(out).toMatch(
      /^REASON +SINK +CONTRACT +LETTERS\nrefused_by_store +postgres +cdc +5\nmalformed_json +edge +cdc +1\nall +6\n\nID/,
    )
    expect(out).toMatch(
      /\n2\/\d+-0 +[0-9.]+ m?s ago +edge +cdc +- +1 +malformed_json +too long\n1\/\S+ .* c-1 +1 .* m4\n/,
    )
    expect(out).toMatch(/\nThe newest 2 of 6\.\n$/)
  })

  test('filters by everything that there is to ask for', async () => {
    const stream = await streams()
    await stream.producer.deadLetter([
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
    await stream.producer.deadLetter(Array.from({ length: 2_345 }, () => letter()))
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
    await stream.producer.deadLetter([letter({ errors, message: 'one\u001b[2Jline\nonly', attempts: 3 })])
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
    await stream.producer.deadLetter([letter({ body: Buffer.of(0xff, 0, 0x41) })])
    const [id = ''] = await idsOf(stream)
    expect((await dead('show', id)).out).toMatch(/^00000000 {2}ff 00 41 +\|\.\.A\|$/m)
    expect(JSON.parse((await dead('show', id, '--json')).out)).toMatchObject({ body: 'base64:/wBB' })
  })

  test.each([
    ['0/1-1', 'Error: There is no dead letter 0/1-1'],
    ['17', 'Error: "17" is not the id of a dead letter'],
  ])('%s is not there', async (id, message) => {
    await streams()
    expect(await dead('show', id)).toMatchObject({ exitCode: 1, err: expect.stringContaining(message) })
  })
})

describe('`tributary dead export`', () => {
  test('writes exactly the records that the integrations of data-action and validated publish', async () => {
    const stream = await streams()
    const errors = [{ loc: ['data', 'score'], msg: 'must be number', type: 'type' }]
    await stream.producer.deadLetter([
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
    for (let i = 0; i < 2; i++) await stream.producer.deadLetter(Array.from({ length: 600 }, () => letter()))
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
