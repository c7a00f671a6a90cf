import { describe, expect, it } from 'vitest'
import { contacts, interactions } from '../../../schemas/cdc.js'
import { contactRecords } from '../../../schemas/contact-sync.js'
import type { SinkName } from '../../../schemas/contract.js'
import { events } from '../../../schemas/data-action.js'
import { CONTRACTS } from '../../../schemas/index.js'
import { createDecoder } from '../../../src/pipeline/decode.js'
import { WHOLE_REQUEST } from '../../../src/pipeline/read.js'
import { timestampOf } from '../../../src/state/version.js'
import { receivedAt } from '../../../src/stream/entry.js'
import { cdc, decode, only, refusals, SKEW_MS, TIMESTAMP } from '../../support/decoding.js'
import { entryOf } from '../../support/entries.js'

const MICROS = Date.parse('2025-11-22T03:00:00Z') * 1_000 + 123_456
const forPostgres = createDecoder({ contracts: CONTRACTS, sink: 'postgres', maxClockSkewMs: SKEW_MS })
const record = (id: string, more = {}) => ({ id, firstName: 'Ada', timestamp: TIMESTAMP, ...more })

describe('cdc', () => {
  it('reads a snapshot, a patch and a delete', () => {
    const created = only('cdc', cdc('contact.created', { id: 'c1', firstName: 'Ada', vip: true }))
    expect(created).toMatchObject({ entity: contacts, key: 'c1', origin: { partition: 0, index: 0 } })
    expect(created.fields).toEqual({ firstName: 'Ada', vip: true })
    expect(created.state.deleted).toBe(false)
    expect(timestampOf(created.state.version)).toBe(MICROS)

    const updated = only('cdc', cdc('interaction.updated', { id: 'i1', status: null }))
    expect(updated).toMatchObject({ entity: interactions, key: 'i1', fields: { status: null } })
    expect(updated.state.version).toBe('')

    const deleted = only('cdc', cdc('contact.deleted', { id: 'c1', firstName: 'Ada' }))
    expect(deleted.state).toMatchObject({ deleted: true })
    expect(deleted.fields).toEqual({})
    expect(deleted.state.version > created.state.version).toBe(true)
  })

  it.each(['contact.merged', 'contact', 'contact.created.twice', 'agent.created', '', '__proto__.created'])(
    'knows no event type %j',
    (type) => {
      const { rejected } = decode(entryOf('cdc', cdc(type)))
      expect(rejected.get(0)).toMatchObject({ reason: 'unknown_type' })
      expect(rejected.get(0)?.message).toContain(`"${type}"`)
    },
  )

  it.each([
    [{ ...cdc('contact.created'), eventData: {} }, 'no id'],
    [{ ...cdc('contact.created'), eventData: { id: '' } }, 'an empty id'],
    [{ ...cdc('contact.created'), eventData: { id: 5 } }, 'a number as id'],
    [{ ...cdc('contact.created'), eventData: { id: 'x'.repeat(513) } }, 'a key that no index takes'],
    [{ ...cdc('contact.created'), eventData: [] }, 'a list as data'],
    [{ ...cdc('contact.created'), timestamp: 'yesterday' }, 'a wrong date'],
    [{ ...cdc('contact.created'), timestamp: '2025-02-30T00:00:00Z' }, '30 February'],
    [{ ...cdc('contact.created'), timestamp: 1_763_780_760 }, 'a number as date'],
    [{}, 'nothing'],
    [[cdc('contact.created')], 'a list'],
    [null, 'null'],
    ['"text"', 'a text'],
    ['{"__proto__":{"webhookId":"w"},"constructor":{}}', 'parts of objects'],
  ] as [unknown, string][])('refuses a body that has not its shape: %#', (body, _) => {
    expect(refusals('cdc', body)).toEqual([[WHOLE_REQUEST, 'invalid_body']])
  })

  it('says what is wrong where', () => {
    const { rejected } = decode(
      entryOf('cdc', { webhookId: 'w', eventType: 5, timestamp: 'x', eventData: {} }),
    )
    expect(rejected.get(WHOLE_REQUEST)).toMatchObject({
      message:
        '/eventType must be string; /timestamp must match format "date-time"; /eventData/id is required',
      errors: [
        { loc: ['eventType'], msg: 'must be string', type: 'type' },
        { loc: ['timestamp'], msg: 'must match format "date-time"', type: 'format' },
        { loc: ['eventData', 'id'], msg: 'is required', type: 'required' },
      ],
    })
  })

  it("refuses what comes from the future, to the millisecond, whatever a worker's clock says", () => {
    const at = (ms: number) => new Date(receivedAt(entryOf('cdc', {}).id) + ms).toISOString()
    expect(refusals('cdc', cdc('contact.updated', { id: '1' }, at(SKEW_MS)))).toEqual([])
    expect(refusals('cdc', cdc('contact.updated', { id: '1' }, at(SKEW_MS + 1)))).toEqual([
      [0, 'future_timestamp'],
    ])
    expect(refusals('cdc', cdc('contact.created', { id: '1' }, '9999-12-31T23:59:59Z'))).toEqual([
      [0, 'future_timestamp'],
    ])
  })

  it('takes what is old, but for what was before 1970', () => {
    expect(
      timestampOf(only('cdc', cdc('contact.created', { id: '1' }, '1970-01-01T00:00:00Z')).state.version),
    ).toBe(0)
    expect(refusals('cdc', cdc('contact.created', { id: '1' }, '1969-12-31T23:59:59.999999Z'))).toEqual([
      [0, 'invalid_event'],
    ])
    expect(
      refusals('cdc', cdc('contact.created', { id: '1' }, '2025-11-22T03:00:00Z[Europe/Berlin]')),
    ).toEqual([[WHOLE_REQUEST, 'invalid_body']])
  })
})

describe('data-action', () => {
  it('keeps all fields of a document, ordered by its timestamp or else by its receipt', () => {
    const body = { id: 'e1', type: 'call', deep: { list: [1, { a: null }] } }
    const change = only('data-action', body)
    expect(change).toMatchObject({ entity: events, key: 'e1', fields: body })
    expect(timestampOf(change.state.version)).toBe(1_763_780_760_125_000)
    const dated = only('data-action', { ...body, timestamp: TIMESTAMP })
    expect(timestampOf(dated.state.version)).toBe(MICROS)
  })

  it.each(['yesterday', 7, null, '1969-01-01T00:00:00Z', ''])(
    'takes a timestamp of %j for data: none is promised',
    (timestamp) => {
      const change = only('data-action', { id: 'e1', type: 't', timestamp })
      expect(timestampOf(change.state.version)).toBe(1_763_780_760_125_000)
      expect(change.fields).toHaveProperty('timestamp', timestamp)
    },
  )

  it('takes a number as id, and keeps it: its key is the text of it', () => {
    for (const id of [7, 0, -3, Number.MAX_SAFE_INTEGER, '7']) {
      expect(only('data-action', { id, type: 't' })).toMatchObject({ key: String(id), fields: { id } })
    }
    for (const id of [1.5, 2 ** 53, -(2 ** 53), null, true, '', [], {}, '12345678901234567890']) {
      const body = `{"type":"t","id":${typeof id === 'string' && id !== '' ? id : JSON.stringify(id)}}`
      expect(decode(entryOf('data-action', body)).rejected.size, body).toBe(1)
    }
  })

  it('refuses what has no id or type, or lies in the future', () => {
    expect(refusals('data-action', { id: 'e1' })).toEqual([[WHOLE_REQUEST, 'invalid_body']])
    expect(refusals('data-action', { type: 't' })).toEqual([[WHOLE_REQUEST, 'invalid_body']])
    expect(refusals('data-action', { id: 'e1', type: 't', timestamp: '2100-01-01T00:00:00Z' })).toEqual([
      [0, 'future_timestamp'],
    ])
  })

  it('is nothing to a sink that it does not feed', () => {
    for (const body of [{ id: 'e1', type: 't' }, 'no json']) {
      const { changes, rejected } = forPostgres(entryOf('data-action', body))
      expect([changes.length, rejected.size]).toEqual([0, 0])
    }
  })
})

describe('contact-sync', () => {
  it('reads every event by itself: a bad one does not harm its neighbours', () => {
    const body = {
      events: [
        record('a'),
        { ...record('b'), timestamp: 'x' },
        record('c'),
        5,
        null,
        record('d', { email: 7 }),
        record('a', { firstName: null }),
      ],
    }
    const { changes, rejected } = decode(entryOf('contact-sync', body))
    expect(changes.map(({ entity, key, origin }) => [entity, key, origin.index])).toEqual([
      [contactRecords, 'a', 0],
      [contactRecords, 'c', 2],
      [contactRecords, 'a', 6],
    ])
    expect([...rejected].map(([index, { reason }]) => [index, reason])).toEqual([
      [1, 'invalid_event'],
      [3, 'invalid_event'],
      [4, 'invalid_event'],
      [5, 'invalid_event'],
    ])
    expect(rejected.get(5)?.message).toBe('/email must be either string or null')
    const [first, , last] = changes
    expect(first && last && first.state.version < last.state.version).toBe(true)
  })

  it('takes an empty list, and no list for an error', () => {
    expect(decode(entryOf('contact-sync', { events: [] })).changes).toEqual([])
    expect(refusals('contact-sync', { events: [] })).toEqual([])
    expect(refusals('contact-sync', { events: {} })).toEqual([[WHOLE_REQUEST, 'invalid_body']])
    expect(refusals('contact-sync', {})).toEqual([[WHOLE_REQUEST, 'invalid_body']])
  })

  it('takes 10,000 events and no more: their letters would have to be written at once', () => {
    const list = (count: number) => `{"events":[${'1,'.repeat(count - 1)}1]}`
    expect(decode(entryOf('contact-sync', list(10_000))).rejected.size).toBe(10_000)
    expect(refusals('contact-sync', list(10_001))).toEqual([[WHOLE_REQUEST, 'invalid_body']])
  })

  it('sees half surrogate pairs in one event alone', () => {
    const half = (name: string) => `{"id":"${name}","timestamp":"${TIMESTAMP}","firstName":"\\ud83d"}`
    const whole = `{"id":"w","timestamp":"${TIMESTAMP}","firstName":"\\ud83d\\ude00"}`
    const { changes, rejected } = decode(entryOf('contact-sync', `{"events":[${half('h')},${whole}]}`))
    expect(changes.map(({ key }) => key)).toEqual(['w'])
    expect(changes[0]?.state.fields.get('firstName')?.value).toBe('😀')
    expect(rejected.get(0)).toMatchObject({ reason: 'invalid_event' })
  })
})

describe('the fields that a contract does not name', () => {
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, at]))
  const known = { externalId: 'x', firstName: 'Ada', lastName: 'L', email: 'a@b.c', phone: '1', status: 's' }
  const limited = (sink: SinkName) =>
    createDecoder({ contracts: CONTRACTS, sink, maxClockSkewMs: SKEW_MS, maxUnknownFields: 10 })

  it.each(['postgres', 'mongo'] as const)('are limited for %s', (sink) => {
    const reasons = (body: unknown, source = 'cdc') =>
      [...limited(sink)(entryOf(source, body)).rejected.values()].map(({ reason }) => reason)
    const event = (count: number, type = 'contact.updated') =>
      cdc(type, { id: 'c1', ...known, ...fields(count) })
    expect(reasons(event(10))).toEqual([])
    expect(reasons(event(11))).toEqual(['too_many_fields'])
    expect(reasons(event(11, 'contact.created'))).toEqual(['too_many_fields'])
    // A tombstone keeps none of them.
    expect(reasons(event(11, 'contact.deleted'))).toEqual([])
    expect(reasons(cdc('contact.updated', { id: 'c1', deep: fields(1_000) }))).toEqual([])
    const one = (id: string, count: number) => ({ id, timestamp: TIMESTAMP, ...fields(count) })
    expect(reasons({ events: [one('a', 10), one('b', 11), one('c', 0)] }, 'contact-sync')).toEqual([
      'too_many_fields',
    ])
  })

  it('are limited for documents, too, and to 1,000 by default', () => {
    const event = (count: number) => ({ id: 'd', type: 't', timestamp: TIMESTAMP, ...fields(count) })
    expect(refusals('data-action', event(1_000))).toEqual([])
    expect(refusals('data-action', event(1_001))).toEqual([[0, 'too_many_fields']])
  })
})
