import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WHOLE_REQUEST } from '../../../src/pipeline/read.js'
import { writeJson } from '../../../src/state/json.js'
import { cdc, decode, only, refusals, TIMESTAMP } from '../../support/decoding.js'
import { entryOf } from '../../support/entries.js'

describe('any contract', () => {
  it('must be known', () => {
    for (const name of ['', 'cdc2', '__proto__', 'constructor']) {
      expect(refusals(name, { id: '1', type: 't' })).toEqual([[WHOLE_REQUEST, 'unknown_type']])
    }
  })

  it.each([
    ['nothing', ''],
    ['half a document', '{"id":"e1","type":'],
    ['two documents', '{"id":"e1","type":"t"}{}'],
    ['a byte order mark', '\uFEFF{"id":"e1","type":"t"}'],
    ['single quotes', "{'id':'e1','type':'t'}"],
    ['a NUL', '\0'],
    ['NaN', '{"id":"e1","type":"t","n":NaN}'],
    [
      'a byte that is no UTF-8',
      Buffer.concat([Buffer.from('{"id":"e1","type":"t'), Buffer.of(0xff), Buffer.from('"}')]),
    ],
    [
      'a surrogate in UTF-8',
      Buffer.concat([Buffer.from('{"id":"e1","type":"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"}')]),
    ],
    ['UTF-16', Buffer.from('{"id":"e1","type":"t"}', 'utf16le')],
  ])('refuses %s as JSON', (_, body) => {
    expect(refusals('data-action', body)).toEqual([[WHOLE_REQUEST, 'malformed_json']])
  })

  it('keeps names that are parts of objects, as fields like any other', () => {
    const body =
      '{"id":"e1","type":"t","__proto__":{"polluted":1},"constructor":2,"hasOwnProperty":3,"toJSON":4}'
    const { state } = only('data-action', body)
    expect([...state.fields.keys()]).toEqual([
      'id',
      'type',
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'toJSON',
    ])
    expect(state.fields.get('__proto__')?.value).toEqual({ polluted: 1 })
    const inCdc = cdc('contact.updated')
    const text = JSON.stringify(inCdc).replace('"id":"c1"', '"id":"c1","__proto__":{"polluted":1}')
    expect([...only('cdc', text).state.fields.keys()]).toEqual(['__proto__'])
    expect({}).not.toHaveProperty('polluted')
  })

  it('takes of duplicate names the last, and NUL characters as JSON.parse does', () => {
    const text = '{"id":"first","id":"last","type":"t","nul":"a\\u0000b"}'
    const change = only('data-action', text)
    expect(change.key).toBe('last')
    expect(change.fields).toMatchObject({ nul: 'a\0b' })
  })

  it.each([
    '12345678901234567890.5',
    '9'.repeat(1_001),
    '1e999',
    '-1e400',
    '1e-400',
    '3.14159265358979323846',
  ])('refuses %s, which would be changed, in the event that holds it alone', (number) => {
    const event = (id: string, more = '') => `{"id":"${id}","timestamp":"${TIMESTAMP}"${more}}`
    const bad = event('b', `,"deep":[{"n":${number}}]`)
    const body = `{"events":[${event('a')},${bad},${event('c', ',"n":1e10,"t":"1e999"')}]}`
    const { changes, rejected } = decode(entryOf('contact-sync', body))
    expect(changes.map(({ key }) => key)).toEqual(['a', 'c'])
    const message = `A number is beyond double precision, and would be changed: ${number.slice(0, 100)}`
    expect(rejected.get(1)).toMatchObject({
      reason: 'invalid_event',
      message,
      errors: [{ loc: [], msg: message, type: 'precision' }],
    })
    expect(refusals('data-action', `{"id":"e1","type":"t","n":${number}}`)).toEqual([[0, 'invalid_event']])
    // No sink reads it beside the events.
    expect(refusals('contact-sync', `{"n":${number},"events":[${event('a')}]}`)).toEqual([])
  })

  it('keeps whole numbers beyond 2^53 as they were sent, in the event that has them', () => {
    const event = (id: string, more = '') => `{"id":"${id}","timestamp":"${TIMESTAMP}"${more}}`
    const large =
      ',"n":[12345678901234567890,1,{"__proto__":-9007199254740993}],"t":"9007199254740993","e":1e300'
    const body = `{"n":12345678901234567890,"events":[${event('a')},${event('b', large)},${event('c', ',"n":1')}]}`
    const { changes, rejected } = decode(entryOf('contact-sync', body))
    expect([...rejected]).toEqual([])
    const values = changes.map(({ state }) => state.fields.get('n')?.value)
    expect(values[0]).toBeUndefined()
    expect(values[2]).toBe(1)
    expect(writeJson(values[1])).toBe('[12345678901234567890,1,{"__proto__":-9007199254740993}]')
    expect(changes[1]?.state.fields.get('t')?.value).toBe('9007199254740993')
    expect(changes[1]?.state.fields.get('e')?.value).toBe(1e300)
    expect(only('data-action', '{"id":"e1","type":"t","n":9007199254740992}').fields.n).toBe(2n ** 53n)
  })

  it('names the errors of the first 1,000 bad events of a request, and rejects all of them', () => {
    const good = { id: 'good', timestamp: TIMESTAMP }
    const events = [...Array.from({ length: 1_500 }, () => ({ id: 7 })), good]
    const { changes, rejected } = decode(entryOf('contact-sync', { events }))
    expect(changes.map(({ key }) => key)).toEqual(['good'])
    const errors = [...rejected.values()]
    expect(errors.filter(({ reason }) => reason === 'invalid_event')).toHaveLength(1_500)
    expect(errors.slice(0, 1_000).every((error) => error.errors.length === 2)).toBe(true)
    expect(errors[1_000]).toMatchObject({ errors: [], message: expect.stringContaining('redrive --dry-run') })
  })

  it('refuses one where the contract wants a number that it can use', () => {
    expect(refusals('data-action', '{"id":12345678901234567890,"type":"t"}')).toEqual([
      [WHOLE_REQUEST, 'invalid_body'],
    ])
    // No text of a body stands for a number: such a string is refused because it is no Unicode text.
    const marked = '{"id":"e1","type":"t","n":12345678901234567890,"s":"\\udc007"}'
    expect(refusals('data-action', marked)).toEqual([[0, 'invalid_event']])
  })

  it.each(['[', '{"a":'])('survives 20,000 levels of %s', (open) => {
    const levels = 20_000
    const nest = `${open.repeat(levels)}1${(open === '[' ? ']' : '}').repeat(levels)}`
    expect(decode(entryOf('data-action', `{"id":"e1","type":"t","deep":${nest}}`)).changes).toHaveLength(1)
    const half = `{"id":"e1","type":"t","half":"\\ud83d","deep":${nest}}`
    expect(refusals('data-action', half)).toEqual([[0, 'invalid_event']])
    expect(refusals('contact-sync', `{"events":[${nest}]}`)).toEqual([[0, 'invalid_event']])
    expect(refusals('cdc', nest)).toEqual([[WHOLE_REQUEST, 'invalid_body']])
  })

  it('never throws, whatever an entry contains', () => {
    const source = fc.constantFrom('cdc', 'data-action', 'contact-sync', 'unknown')
    const eventLike = fc.record(
      {
        id: fc.oneof(fc.string({ minLength: 1 }), fc.jsonValue()),
        type: fc.string(),
        eventType: fc.constantFrom('contact.created', 'interaction.updated', 'contact.deleted', 'no'),
        webhookId: fc.string(),
        timestamp: fc.oneof(fc.constant(TIMESTAMP), fc.string()),
        eventData: fc.oneof(fc.record({ id: fc.string(), x: fc.jsonValue() }), fc.jsonValue()),
        events: fc.oneof(fc.array(fc.record({ id: fc.string() })), fc.jsonValue()),
      },
      { requiredKeys: [] },
    )
    const body = fc.oneof(
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.json(),
      fc.string({ unit: 'binary' }),
      eventLike,
    )
    fc.assert(
      fc.property(source, body, (name, content) => {
        const entry = entryOf(name, content)
        const { changes, rejected, list } = decode(entry)
        const isList = list !== undefined && !rejected.has(WHOLE_REQUEST)
        const told = isList ? JSON.parse(entry.body.toString())[list].length : 1
        expect(changes.length + rejected.size).toBe(told)
      }),
      { numRuns: 150 },
    )
  })
})
