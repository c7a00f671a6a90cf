import { describe, expect, it } from 'vitest'
import { cdc } from '../../../schemas/cdc.js'
import { contactSync } from '../../../schemas/contact-sync.js'
import { dataAction } from '../../../schemas/data-action.js'
import { validate } from '../../../src/edge/validate.js'

const EVENT = '{"id":"e-1","type":"t","name":"Zoë 🎈"}'

describe('a body', () => {
  it.each([
    ['a valid one', EVENT],
    ['with blanks around', ` \r\n\t${EVENT}\n`],
    [
      'with __proto__ and constructor',
      '{"id":"1","type":"t","__proto__":{"x":1},"constructor":{"prototype":{}}}',
    ],
    ['with duplicate keys', '{"id":"1","id":"2","type":"t"}'],
    ['with an escaped lone surrogate and NUL', String.raw`{"id":"1","type":"\ud800\u0000"}`],
    ['nested 100,000 deep', `{"id":"1","type":"t","deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['with a number beyond all numbers', '{"id":"1","type":"t","n":1e999}'],
  ])('is taken: %s', (_, text) => {
    expect(validate(dataAction, Buffer.from(text))).toBeUndefined()
  })

  it.each([
    ['empty', Buffer.alloc(0), 'The body is empty'],
    ['blank', Buffer.from(' \n'), 'The body is not JSON'],
    ['cut off', Buffer.from(EVENT.slice(0, -1)), 'The body is not JSON'],
    ['two documents', Buffer.from(EVENT + EVENT), 'The body is not JSON'],
    ['with a byte order mark', Buffer.from(`\uFEFF${EVENT}`), 'byte order mark'],
    ['Latin-1', Buffer.from('{"id":"1","type":"Zoë"}', 'latin1'), 'The body is not UTF-8'],
    ['UTF-16', Buffer.from(EVENT, 'utf16le'), 'The body is not'],
    ['a lone surrogate in bytes', Buffer.from('7b226964223a22eda080227d', 'hex'), 'The body is not UTF-8'],
    ['an overlong slash', Buffer.from('7b226964223a22c0af227d', 'hex'), 'The body is not UTF-8'],
    ['a NUL in a string', Buffer.from('{"id":"\u0000"}'), 'The body is not JSON'],
    ['NaN', Buffer.from('{"id":NaN}'), 'The body is not JSON'],
    ['nested 100,000 deep and cut off', Buffer.from('['.repeat(100_000)), 'The body is not JSON'],
  ])('is malformed: %s', (_, body, message) => {
    const rejection = validate(dataAction, body)
    expect(rejection?.reason).toBe('malformed_json')
    expect(rejection?.message).toContain(message)
  })

  it.each([
    ['no id', dataAction, '{"type":"t"}', 'id'],
    [
      'an id that is no whole number',
      dataAction,
      '{"id":1.5,"type":"t"}',
      '/id must be either string or integer',
    ],
    ['an empty id', dataAction, '{"id":"","type":"t"}', '/id must not have fewer than 1 characters'],
    ['null', dataAction, 'null', 'must be object'],
    ['an array', dataAction, '[{"id":"1","type":"t"}]', 'must be object'],
    ['a string', dataAction, '"x"', 'must be object'],
    ['no events', contactSync, '{"contacts":[]}', '/events is required'],
    ['events that are no array', contactSync, '{"events":{"id":"1"}}', '/events must be array'],
    [
      'no eventData',
      cdc,
      '{"webhookId":"w","eventType":"e","timestamp":"2026-11-22T09:30:00Z"}',
      'eventData',
    ],
    [
      'a date that does not exist',
      cdc,
      '{"webhookId":"w","eventType":"e","timestamp":"2026-02-30T09:30:00Z","eventData":{"id":"1"}}',
      '/timestamp',
    ],
  ])('does not fit: %s', (_, contract, text, message) => {
    const rejection = validate(contract, Buffer.from(text))
    expect(rejection?.reason).toBe('invalid_body')
    expect(rejection?.message).toContain(contract.name)
    expect(rejection?.message).toContain(message)
  })

  it('may hold events that are wrong: those are dead-lettered one by one later', () => {
    expect(validate(contactSync, Buffer.from('{"events":[1,{},null]}'))).toBeUndefined()
    expect(validate(contactSync, Buffer.from('{"events":[]}'))).toBeUndefined()
  })
})
