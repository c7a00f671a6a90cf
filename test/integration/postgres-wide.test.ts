import { describe, expect, it } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { patch, snapshot } from '../../src/state/state.js'
import { at, change, fixture, NEVER } from './postgres-fixture.js'

/** As many fields as a body of 1 MiB can name. */
const MOST = 95_000

function wide(prefix: string, value: string, count = MOST): [string, string][] {
  return Array.from({ length: count }, (_, index) => [`${prefix}${index}`, value])
}

const size = 'SELECT (SELECT count(*)::int FROM jsonb_object_keys(extra)) AS extra FROM tributary.contacts'

// Each write ends in a TransientError where the join is not linear: Postgres gives a statement 30 s, and for fields in
// these numbers a quadratic join takes hours.
describe('a row with very many fields without columns', () => {
  it('joins with as many others, newer and older ones', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    await sink.write([change(contacts, 'wide', patch(at(2), wide('a', 'first')))], NEVER)
    const half = [...wide('a', 'second', MOST / 2), ...wide('b', 'second', MOST / 2)]
    await sink.write([change(contacts, 'wide', patch(at(3), half))], NEVER)
    await sink.write([change(contacts, 'wide', patch(at(1), wide('a', 'late')))], NEVER)
    expect(await db.ask(size)).toEqual([{ extra: MOST * 1.5 }])
    expect(
      await db.ask(`SELECT count(*) FILTER (WHERE value = '"first"')::int AS first, count(*) FILTER (WHERE value = '"second"')::int AS second
        FROM tributary.contacts, jsonb_each(extra)`),
    ).toEqual([{ first: MOST / 2, second: MOST }])
    await sink.write([change(contacts, 'wide', snapshot(at(4, 'snapshot'), wide('c', 'whole')))], NEVER)
    expect(await db.ask(size)).toEqual([{ extra: MOST }])
    expect(await db.ask('SELECT _field_versions FROM tributary.contacts')).toEqual([
      { _field_versions: null },
    ])
  })

  it('takes patches of one field, a redelivery and a batch of honest rows beside it', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    const all = change(contacts, 'wide', patch(at(1), wide('a', 'first')))
    await sink.write([all], NEVER)
    const others = Array.from({ length: 100 }, (_, n) =>
      change(contacts, `c${n}`, patch(at(1), [['tier', n]])),
    )
    for (let second = 2; second < 7; second++) {
      const one = change(
        contacts,
        'wide',
        patch(at(second), [
          ['a7', `${second}`],
          ['phone', `${second}`],
        ]),
      )
      await sink.write([one, ...others], NEVER)
      await sink.write([all], NEVER)
    }
    expect(
      await db.ask("SELECT phone, extra ->> 'a7' AS a7 FROM tributary.contacts WHERE id = 'wide'"),
    ).toEqual([{ phone: '6', a7: '6' }])
  })
})
