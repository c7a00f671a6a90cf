import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromReply, toFields } from '../../../src/stream/entry.js'

const source = fc.constantFrom('cdc', 'data-action', 'validated')
const trace = fc.constantFrom('', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ' '))
const body = fc.uint8Array().map((bytes) => Buffer.from(bytes))
const origin = fc.record({
  partition: fc.nat(511),
  entryId: fc.tuple(fc.nat(), fc.nat()).map((parts) => parts.join('-')),
  index: fc.option(fc.nat(9_999), { nil: undefined }),
  sink: fc.constantFrom('edge', 'postgres', 'mongo'),
  attempts: fc.nat(9),
  firstAt: fc.nat(),
})

/** As Redis gives an entry back. */
function reply([about, body]: readonly [string, Buffer]): [Buffer, Buffer[]] {
  return [Buffer.from('1763780760125-7'), [Buffer.from(about), body]]
}

describe('an entry', () => {
  it('is read as it was written, with and without an origin', () => {
    fc.assert(
      fc.property(source, line, trace, body, fc.option(origin, { nil: undefined }), (...values) => {
        const [name, delivery, traceparent, bytes, from] = values
        const entry = { source: name, delivery, trace: traceparent, body: bytes }
        const expected = { ...entry, partition: 3, id: '1763780760125-7', ...(from && { origin: from }) }
        expect(fromReply(3, reply(toFields(entry, from)))).toEqual(expected)
      }),
    )
  })

  it('mostly has no more to say of itself than its source', () => {
    const entry = { source: 'cdc', delivery: '', trace: '', body: Buffer.from('{}') }
    expect(toFields(entry)).toEqual(['cdc', entry.body])
    expect(toFields({ ...entry, delivery: 'd-1' })[0]).toBe('cdc\nd-1')
  })

  it('keeps a sender from writing lines of its own', () => {
    const entry = { source: 'cdc', delivery: 'd\n00-forged', trace: '', body: Buffer.from('{}') }
    expect(fromReply(0, reply(toFields(entry)))).toMatchObject({ delivery: 'd 00-forged', trace: '' })
  })

  it('that has been deleted is none', () => {
    expect(fromReply(0, [Buffer.from('1-1'), null])).toBeUndefined()
  })
})
