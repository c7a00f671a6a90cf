import { describe, expect, it } from 'vitest'
import { CONTRACTS } from '../../../schemas/index.js'
import { RejectedError } from '../../../src/errors.js'
import { createDecoder } from '../../../src/pipeline/decode.js'
import { toLetters } from '../../../src/pipeline/letters.js'
import { entryOf } from '../../support/entries.js'

const decode = createDecoder({ contracts: CONTRACTS, sink: 'mongo', maxClockSkewMs: 0 })
const good = (id: string) => ({ id, timestamp: '2025-11-22T03:00:00Z' })

describe('the letters of an entry', () => {
  it('hold the raw bytes of a request that means nothing', () => {
    const entry = entryOf('cdc', Buffer.of(0xff, 0x00, 0x7b))
    expect(toLetters(decode(entry), new Map(), 'mongo')).toEqual([
      {
        reason: 'malformed_json',
        message: 'The body is not UTF-8',
        errors: [],
        sink: 'mongo',
        source: 'cdc',
        entry: '0/1763780760125-0',
        index: undefined,
        receivedAt: 1_763_780_760_125,
        delivery: 'delivery-1',
        trace: '',
        attempts: 1,
        firstAt: expect.closeTo(Date.now(), -5),
        body: entry.body,
      },
    ])
  })

  it('hold one event each, as it was sent', () => {
    const body = `{"events":[${JSON.stringify(good('a'))}, 5.0 ,{ "id":"\\u00e9", "extra":[1] }]}`
    const letters = toLetters(decode(entryOf('contact-sync', body)), new Map(), 'mongo')
    expect(letters.map((letter) => [letter.index, letter.body.toString()])).toEqual([
      [1, '5.0'],
      [2, '{ "id":"\\u00e9", "extra":[1] }'],
    ])
    expect(letters[1]?.errors).toContainEqual({ loc: ['timestamp'], msg: 'is required', type: 'required' })
  })

  it('about what was redriven keep its place, its time and its bytes, and count the attempts', () => {
    const origin = { partition: 3, entryId: '5-1', index: 7, sink: 'mongo', attempts: 2, firstAt: 99 }
    const kept = { entry: '3/5-1', index: 7, receivedAt: 5, attempts: 3, firstAt: 99 }
    const event = { ...entryOf('contact-sync', '{"id": 5}'), origin }
    expect(toLetters(decode(event), new Map(), 'mongo')).toMatchObject([{ ...kept, body: event.body }])
    const broken = { ...entryOf('contact-sync', '{'), origin }
    expect(toLetters(decode(broken), new Map(), 'mongo')).toMatchObject([{ ...kept, body: broken.body }])
    const whole = { ...entryOf('contact-sync', '{"events":[1,2]}'), origin: { ...origin, index: undefined } }
    expect(toLetters(decode(whole), new Map(), 'mongo')).toMatchObject([
      { ...kept, index: 0, body: Buffer.from('1') },
      { ...kept, index: 1, body: Buffer.from('2') },
    ])
  })

  it('about what was redriven and is refused are told by their place', () => {
    const origin = { partition: 3, entryId: '5-1', index: 7, sink: 'mongo', attempts: 1, firstAt: 99 }
    const entry = { ...entryOf('contact-sync', good('a')), origin }
    const decoded = decode(entry)
    const refused = new Map(decoded.changes.map((one) => [one, new RejectedError('refused_by_store', 'no')]))
    expect(decoded.changes).toMatchObject([{ origin: { partition: 3, entryId: '5-1', index: 7 } }])
    expect(toLetters(decoded, refused, 'mongo')).toMatchObject([{ index: 7, attempts: 2, body: entry.body }])
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

  it('hold numbers as they were sent', () => {
    const bad = '{"id":"x","n":12345678901234567890,"m":[1e999,"1e999"]}'
    const entry = entryOf('contact-sync', `{"events":[${bad},5]}`)
    const [letter] = toLetters(decode(entry), new Map(), 'mongo')
    expect(letter?.body.toString()).toBe(bad)
  })

  it('hold events that are nested too deep to be written again', () => {
    const deep = `${'['.repeat(20_000)}1${']'.repeat(20_000)}`
    const entry = entryOf('contact-sync', `{"events":[${deep},5,${deep}]}`)
    const letters = toLetters(decode(entry), new Map(), 'mongo')
    expect(letters.map(({ index, body }) => [index, body.toString()])).toEqual([
      [0, deep],
      [1, '5'],
      [2, deep],
    ])
  })

  it('are as many as events, however many', () => {
    const count = 2_000
    const entry = entryOf('contact-sync', { events: Array.from({ length: count }, (_, i) => i) })
    expect(toLetters(decode(entry), new Map(), 'mongo')).toHaveLength(count)
  })
})
