import { describe, expect, it } from 'vitest'
import { CONTRACTS } from '../../schemas/index.js'
import { RejectedError } from '../../src/errors.js'
import { createDecoder } from '../../src/pipeline/decode.js'
import { toLetters } from '../../src/pipeline/letters.js'
import { entryOf } from '../support/entries.js'

const decode = createDecoder({ contracts: CONTRACTS, sink: 'mongo', maxClockSkewMs: 0 })
const good = (id: string) => ({ id, timestamp: '2025-11-22T03:00:00Z' })

describe('the letters of an entry', () => {
  it('hold the raw bytes of a request that means nothing', () => {
    const entry = entryOf('cdc', Buffer.of(0xff, 0x00, 0x7b))
    expect(toLetters(decode(entry), new Map(), 'mongo')).toEqual([
      {
        reason: 'malformed_json',
        message: 'The body is not UTF-8',
        sink: 'mongo',
        source: 'cdc',
        entryId: '1763780760125-0',
        index: 0,
        receivedAt: 1_763_780_760_125,
        delivery: 'delivery-1',
        trace: '',
        body: entry.body,
      },
    ])
  })

  it('hold one event each where there are several, and the raw bytes where there is one', () => {
    const several = entryOf('contact-sync', { events: [good('a'), 5, { id: 'é', extra: [1] }] })
    const letters = toLetters(decode(several), new Map(), 'mongo')
    expect(letters.map(({ index, body }) => [index, body.toString()])).toEqual([
      [1, '5'],
      [2, '{"id":"é","extra":[1]}'],
    ])
    const alone = entryOf('contact-sync', '{ "events": [ 5.0 ] }')
    expect(toLetters(decode(alone), new Map(), 'mongo')).toMatchObject([{ index: 0, body: alone.body }])
  })

  it('speak of what the sink has refused, and of nothing else', () => {
    const decoded = decode(entryOf('contact-sync', { events: [good('a'), 5, good('b')] }))
    const [, second] = decoded.changes
    const other = decode(entryOf('contact-sync', { events: [good('b')] })).changes[0]
    if (!second || !other) throw new Error('no changes')
    const error = new RejectedError('refused_by_store', 'too long')
    const refused = new Map([
      [second, error],
      [other, error],
    ])
    expect(toLetters(decoded, refused, 'mongo').map(({ index, reason }) => [index, reason])).toEqual([
      [1, 'invalid_event'],
      [2, 'refused_by_store'],
    ])
  })

  it('hold the whole request once where events are nested too deep to be written again', () => {
    const deep = `${'['.repeat(20_000)}1${']'.repeat(20_000)}`
    const entry = entryOf('contact-sync', `{"events":[${deep},5,${deep}]}`)
    const letters = toLetters(decode(entry), new Map(), 'mongo')
    expect(letters.map(({ index, body }) => [index, body === entry.body])).toEqual([
      [0, true],
      [1, false],
    ])
  })

  it('are as many as events, however many', () => {
    const count = 10_000
    const entry = entryOf('contact-sync', { events: Array.from({ length: count }, (_, i) => i) })
    expect(toLetters(decode(entry), new Map(), 'mongo')).toHaveLength(count)
  })
})
