import { describe, expect, it } from 'vitest'
import { RejectedError } from '../../../../src/errors.js'
import { encodeRow, encodeValue } from '../../../../src/sinks/postgres/encode.js'
import { type Column, Layout } from '../../../../src/sinks/postgres/layout.js'
import { join, patch, snapshot, tombstone } from '../../../../src/state/state.js'
import { makeVersion } from '../../../../src/state/version.js'

const column = (name: string, kind: Column['kind']): Column => ({ name, type: 'any', base: 'any', kind })
const scalar = (value: unknown) => encodeValue(column('c', 'scalar'), value)
const json = (value: unknown) => encodeValue(column('c', 'json'), value)
const array = (value: unknown) => encodeValue(column('c', 'array'), value)

describe('a value for COPY', () => {
  it.each([
    ['Ada', 'Ada'],
    ['', ''],
    ['\\N', '\\\\N'],
    ['a\tb\nc\rd\\e', 'a\\tb\\nc\\rd\\\\e'],
    ['ä😀\u0001\b', 'ä😀\u0001\b'],
    [null, '\\N'],
    [0, '0'],
    [-1.5e-7, '-1.5e-7'],
    [true, 'true'],
    [{ a: 'b"c\n' }, '{"a":"b\\\\"c\\\\n"}'],
    [[1, 'x'], '[1,"x"]'],
  ])('in a plain column: %j', (value, text) => {
    expect(scalar(value)).toBe(text)
  })

  it.each([
    ['text', '"text"'],
    [1, '1'],
    [null, '\\N'],
    [{ a: null }, '{"a":null}'],
    ['back\\u0000slash', '"back\\\\\\\\u0000slash"'],
  ])('in a JSON column: %j', (value, text) => {
    expect(json(value)).toBe(text)
  })

  it.each([
    [[], '{}'],
    [[1, null, true], '{"1",NULL,"true"}'],
    [['a,b', '"', '\\', '', 'NULL'], '{"a,b","\\\\"","\\\\\\\\","","NULL"}'],
    [[[1], [2]], '{{"1"},{"2"}}'],
    ['{1,2}', '{1,2}'],
  ])('in an array column: %j', (value, text) => {
    expect(array(value)).toBe(text)
  })

  it.each([
    ['NUL in a text', () => scalar('a\0')],
    ['NUL in an array', () => array(['a\0'])],
    ['an array of seven dimensions', () => array(JSON.parse(`${'['.repeat(7)}1${']'.repeat(7)}`))],
    ['an array of 100,000 dimensions', () => array(JSON.parse('['.repeat(1e5) + ']'.repeat(1e5)))],
    ['NUL in JSON', () => json({ a: ['\0'] })],
    ['NUL behind a backslash', () => json('\\\0')],
    ['NUL in a key', () => json({ 'a\0': 1 })],
    ['half a pair in a text', () => scalar('\ud83d')],
    ['half a pair in JSON', () => json(['\ude00'])],
    ['JSON of endless depth', () => json(JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)))],
  ])('is refused: %s', (_, encode) => {
    expect(encode).toThrow(RejectedError)
  })
})

describe('a row for COPY', () => {
  const layout = new Layout('t', 1, [column('first_name', 'scalar'), column('email', 'scalar')])
  const at = (timestamp: number) =>
    makeVersion(timestamp, 'patch', { partition: 0, entryId: '5-0', index: 0 })
  const [old, recent] = [at(1_763_780_000_000_001), at(1_763_780_000_000_002)]

  it('of a snapshot has one version', () => {
    const state = snapshot(old, [
      ['firstName', 'Ada'],
      ['tier', { a: 'b\n' }],
      ['__proto__', 1],
    ])
    expect(encodeRow(layout, 'k\t1', state)).toBe(
      ['k\\t1', 'Ada', '\\N', '{"tier":{"a":"b\\\\n"},"__proto__":1}', old, '\\N', '\\N'].join('\t'),
    )
  })

  it('of a patch has the versions of its fields', () => {
    const state = patch(old, [
      ['firstName', null],
      ['tier', 'gold'],
    ])
    const versions = `{"first_name":"${old}","tier":"${old}"}`
    expect(encodeRow(layout, 'k', state)).toBe(
      ['k', '\\N', '\\N', '{"tier":"gold"}', '', versions, '\\N'].join('\t'),
    )
  })

  it('of a tombstone has its time, and what is newer', () => {
    const state = join(tombstone(old), patch(recent, [['email', 'x']]))
    expect(encodeRow(layout, 'k', state)).toBe(
      ['k', '\\N', 'x', '\\N', old, `{"email":"${recent}"}`, '2025-11-22T02:53:20.000001Z'].join('\t'),
    )
  })

  it('names the field that Postgres cannot store', () => {
    expect(() => encodeRow(layout, 'k', snapshot(old, [['email', '\0']]))).toThrow(/"email" contains a NUL/)
    expect(() => encodeRow(layout, 'k', snapshot(old, [['ti"er', '\0']]))).toThrow(/"ti\\"er" contains a NUL/)
    expect(() => encodeRow(layout, 'k\0', snapshot(old, []))).toThrow(/"the id" contains a NUL/)
  })
})
