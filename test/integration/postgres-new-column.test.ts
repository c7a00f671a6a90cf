import { describe, expect, it } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import type { Sink } from '../../src/sinks/sink.js'
import { join, patch, snapshot } from '../../src/state/state.js'
import { at, change, ENTITIES, fixture, NEVER, news, person, rows } from './postgres-fixture.js'

describe('a new column', () => {
  it('takes over from extra, under the hands of a worker that knows nothing of it', async () => {
    const db = await fixture()
    const sinks = await Promise.all([db.sink(1), db.sink(2)])
    let written = 0
    let migrated = false
    const work = async (sink: Sink, name: string) => {
      for (let after = 0; after < 5; after += migrated ? 1 : 0) {
        const keys = Array.from({ length: 20 }, () => `${name}-${written++}`)
        await sink.write(
          keys.map((key) =>
            person(key, 1, [
              ['firstName', key],
              ['vip', 'yes'],
            ]),
          ),
          NEVER,
        )
        await sink.write(
          keys.map((key) =>
            news(key, 2, [
              ['vip', true],
              ['isVip', 'TRUE'],
              ['other', 1],
            ]),
          ),
          NEVER,
        )
      }
    }
    const working = sinks.map((sink, index) => work(sink, `w${index}`))
    const inExtra = `SELECT count(*)::int FROM tributary.contacts WHERE extra ? 'vip'`
    await expect.poll(async () => (await db.ask(inExtra))[0]).not.toEqual({ count: 0 })
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip boolean, ADD COLUMN is_vip boolean')
    const lines = await db.migrate()
    migrated = true
    await Promise.all(working)
    expect(lines.join('\n')).toMatch(/moved \d+ values from extra to tributary\.contacts\.vip/)
    expect(lines.join('\n')).toMatch(/has new columns: vip, is_vip/)
    const [count] = await db.ask(
      `SELECT count(*)::int AS rows,
      count(*) FILTER (WHERE vip AND is_vip AND extra = '{"other": 1}')::int AS right,
      count(*) FILTER (WHERE _field_versions = jsonb_build_object('vip', $1, 'is_vip', $1, 'other', $1))::int AS versions
      FROM tributary.contacts`.replaceAll('$1', `'${at(2)}'`),
    )
    expect(written).toBeGreaterThan(100)
    expect(count).toEqual({ rows: written, right: written, versions: written })
    expect(await db.ask('SELECT count(*)::int FROM public.contacts WHERE vip')).toEqual([{ count: written }])
    expect(await db.migrate()).toEqual([])
  })

  it('leaves in extra what does not fit it, and says how much', async () => {
    const db = await fixture()
    const sink = await db.sink()
    await sink.write(
      [
        person('a', 1, [
          ['level', '7'],
          ['tier', 'gold'],
        ]),
        person('b', 1, [['level', 'high']]),
        person('c', 1, [['level', 12345]]),
        person('d', 1, [
          ['level', null],
          ['tags', ['x', 'y']],
          ['code', 'toolong'],
        ]),
        news('e', 2, [['level', { deep: true }]]),
      ],
      NEVER,
    )
    await db.ask(
      'ALTER TABLE tributary.contacts ADD level smallint CHECK (level < 100), ADD tags text[], ADD code varchar(4)',
    )
    const lines = await db.migrate()
    expect(lines).toContain('Postgres: moved 2 values from extra to tributary.contacts.level')
    expect(lines).toContain('Postgres: 3 values do not fit level smallint and stay in extra')
    expect(lines).toContain('Postgres: 1 values do not fit code character varying(4) and stay in extra')
    const version = at(1, 'snapshot')
    expect(await rows(db)).toEqual([
      { id: 'a', level: 7, extra: { tier: 'gold' }, _version: version },
      { id: 'b', extra: { level: 'high' }, _version: version },
      { id: 'c', extra: { level: 12345 }, _version: version },
      { id: 'd', extra: { code: 'toolong' }, tags: ['x', 'y'], _version: version },
      { id: 'e', extra: { level: { deep: true } }, _version: '', _field_versions: { level: at(2) } },
    ])
    await sink.write([news('e', 3, [['level', 8]]), person('b', 3, [['level', 9]])], NEVER)
    expect(await rows(db)).toMatchObject([{}, { id: 'b', level: 9 }, {}, {}, { id: 'e', level: 8 }])
    expect(await db.ask("SELECT id FROM tributary.contacts WHERE extra ? 'level' ORDER BY id")).toEqual([
      { id: 'c' },
    ])
  })

  it('gets the newest of the fields that it is fed by, with its version', async () => {
    const db = await fixture()
    const sink = await db.sink()
    const both = join(
      snapshot(at(1, 'snapshot'), [['vip_level', 'old']]),
      patch(at(2), [['vipLevel', 'new']]),
    )
    await sink.write(
      [
        change(contacts, 'a', both),
        person('b', 1, [
          ['vip_level', 'exact'],
          ['vipLevel', 'camel'],
        ]),
      ],
      NEVER,
    )
    await db.ask('ALTER TABLE tributary.contacts ADD vip_level text')
    await db.migrate()
    expect(await rows(db)).toEqual([
      { id: 'a', vip_level: 'new', _version: at(1, 'snapshot'), _field_versions: { vip_level: at(2) } },
      { id: 'b', vip_level: 'exact', _version: at(1, 'snapshot') },
    ])
  })

  it('is left to its owner where Postgres computes it, and shown to the readers', async () => {
    const db = await fixture()
    await db.ask(
      'ALTER TABLE tributary.contacts ADD shout text GENERATED ALWAYS AS (upper(first_name)) STORED',
    )
    await db.migrate()
    await (await db.sink()).write(
      [
        person('a', 1, [
          ['firstName', 'Ada'],
          ['shout', 'no'],
        ]),
      ],
      NEVER,
    )
    expect(await rows(db, 'public.contacts')).toEqual([
      { id: 'a', first_name: 'Ada', shout: 'ADA', extra: { shout: 'no' } },
    ])
  })

  it('is named by a sink that starts before `tributary migrate`', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip boolean')
    const lines: string[] = []
    const sink = await createPostgresSink({
      url: db.url,
      entities: ENTITIES,
      report: (line) => lines.push(line),
    })
    await sink.close()
    expect(lines).toEqual([
      'the column vip of tributary.contacts is not written to yet: run `tributary migrate`',
    ])
  })
})
