import { describe, expect, it } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import type { Change } from '../../src/sinks/sink.js'
import { patch, snapshot } from '../../src/state/state.js'
import { at, change, type Fixture, fixture, NEVER } from './postgres-fixture.js'

/** As many fields as a body of 1 MiB can name. */
const MOST = 95_000

function wide(prefix: string, value: string, count = MOST): [string, string][] {
  return Array.from({ length: count }, (_, index) => [`${prefix}${index}`, value])
}

/** Writes with more time than a worker gives, for a machine that also runs other tests. */
async function writer(db: Fixture) {
  const sink = await db.sink(1)
  return (changes: readonly Change[]) => sink.write(changes, NEVER, undefined, 30_000)
}

const size = 'SELECT (SELECT count(*)::int FROM jsonb_object_keys(extra)) AS extra FROM tributary.contacts'

// Each write ends in a TransientError where the join is not linear: for fields in these numbers a quadratic join takes
// hours.
describe('a row with very many fields without columns', () => {
  it('joins with as many others, newer and older ones', async () => {
    const db = await fixture()
    const write = await writer(db)
    await write([change(contacts, 'wide', patch(at(2), wide('a', 'first')))])
    const half = [...wide('a', 'second', MOST / 2), ...wide('b', 'second', MOST / 2)]
    await write([change(contacts, 'wide', patch(at(3), half))])
    await write([change(contacts, 'wide', patch(at(1), wide('a', 'late')))])
    expect(await db.ask(size)).toEqual([{ extra: MOST * 1.5 }])
    expect(
      await db.ask(`SELECT count(*) FILTER (WHERE value = '"first"')::int AS first, count(*) FILTER (WHERE value = '"second"')::int AS second
        FROM tributary.contacts, jsonb_each(extra)`),
    ).toEqual([{ first: MOST / 2, second: MOST }])
    await write([change(contacts, 'wide', snapshot(at(4, 'snapshot'), wide('c', 'whole')))])
    expect(await db.ask(size)).toEqual([{ extra: MOST }])
    expect(await db.ask('SELECT _field_versions FROM tributary.contacts')).toEqual([
      { _field_versions: null },
    ])
  })

  it('takes patches of one field, a redelivery and a batch of honest rows beside it', async () => {
    const db = await fixture()
    const write = await writer(db)
    const all = change(contacts, 'wide', patch(at(1), wide('a', 'first')))
    await write([all])
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
      await write([one, ...others])
      await write([all])
    }
    expect(
      await db.ask("SELECT phone, extra ->> 'a7' AS a7 FROM tributary.contacts WHERE id = 'wide'"),
    ).toEqual([{ phone: '6', a7: '6' }])
  })
})
