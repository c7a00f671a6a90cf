import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contacts } from '../../schemas/cdc.js'
import { TransientError } from '../../src/errors.js'
import { openDatabase, withConnection } from '../../src/sinks/postgres/connection.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate.js'
import { applyMigrations, missingMigrations } from '../../src/sinks/postgres/migrations.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import type { Sink } from '../../src/sinks/sink.js'
import { join, patch, snapshot } from '../../src/state/state.js'
import { freshDatabase, freshName } from '../support/fresh.js'
import { at, change, ENTITIES, type Fixture, fixture, NEVER, rejection } from './postgres-fixture.js'

const SHIPPED = joinPath(import.meta.dirname, '../../migrations/postgres')

const person = (key: string, seconds: number, fields: [string, unknown][]) =>
  change(contacts, key, snapshot(at(seconds, 'snapshot'), fields))
const news = (key: string, seconds: number, fields: [string, unknown][]) =>
  change(contacts, key, patch(at(seconds), fields))

/** Rows without what is null. */
async function rows({ ask }: Fixture, from = 'tributary.contacts'): Promise<unknown[]> {
  const found = await ask(`SELECT jsonb_strip_nulls(to_jsonb(t)) AS row FROM ${from} AS t ORDER BY id`)
  return found.map(({ row }) => row)
}

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

describe('a column of another type', () => {
  it('holds up the writers until `tributary migrate`, and rejects nothing that was good before', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    await sink.write([person('a', 1, [['phone', '1']])], NEVER)
    await db.ask(
      'DROP VIEW public.contacts; ALTER TABLE tributary.contacts ALTER phone TYPE jsonb USING to_jsonb(phone)',
    )
    const batch = [person('a', 2, [['phone', 'two']])]
    for (const one of [sink, await db.sink(1)]) {
      const error = await rejection(one.write(batch, NEVER))
      expect(error).toBeInstanceOf(TransientError)
      expect(String(error)).toMatch(/"phone" is of type jsonb .*run `tributary migrate`/)
    }
    await db.migrate()
    await sink.write(batch, NEVER)
    expect(await rows(db, 'public.contacts')).toEqual([{ id: 'a', phone: 'two' }])
  })
})

describe('a dropped column', () => {
  it('sends new values of its field to extra, and forgets its versions', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip boolean')
    await db.migrate()
    const sink = await db.sink(1)
    await sink.write(
      [
        person('a', 1, [['vip', true]]),
        news('b', 1, [
          ['vip', true],
          ['tier', 'tin'],
        ]),
      ],
      NEVER,
    )
    await db.ask('DROP VIEW public.contacts; ALTER TABLE tributary.contacts DROP COLUMN vip')
    const stuck = await rejection(sink.write([news('a', 2, [['vip', false]])], NEVER))
    expect(stuck).toBeInstanceOf(TransientError)
    expect(String(stuck)).toContain('run `tributary migrate`')
    await expect(createPostgresSink({ url: db.url, entities: ENTITIES })).rejects.toThrow(
      'has lost its column vip',
    )
    expect(await db.migrate()).toContain('Postgres: tributary.contacts has lost columns: vip')
    await sink.write([news('a', 2, [['vip', false]])], NEVER)
    expect(await rows(db)).toEqual([
      { id: 'a', extra: { vip: false }, _version: at(1, 'snapshot'), _field_versions: { vip: at(2) } },
      { id: 'b', extra: { tier: 'tin' }, _version: '', _field_versions: { tier: at(1) } },
    ])
  })

  it('is missed by name where the contract needs it', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts DROP COLUMN first_name CASCADE')
    const missing = 'tributary.contacts has no column first_name for the field firstName: ALTER TABLE'
    await expect(createPostgresSink({ url: db.url, entities: ENTITIES })).rejects.toThrow(missing)
    await expect(db.migrate()).rejects.toThrow(missing)
  })
})

describe('the view', () => {
  it('keeps its grants when it has to be made anew', async () => {
    const db = await fixture()
    const role = freshName('reader')
    await db.ask(`ALTER TABLE tributary.contacts ADD COLUMN a text, ADD COLUMN b text; CREATE ROLE ${role}`)
    onTestFinished(async () => {
      await db.ask(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    })
    await db.migrate()
    await db.ask(
      `GRANT SELECT ON public.contacts TO ${role} WITH GRANT OPTION; GRANT SELECT ON public.contacts TO PUBLIC`,
    )
    await db.ask('ALTER TABLE tributary.contacts RENAME COLUMN a TO z')
    expect(await db.migrate()).toContain('Postgres: made the view public.contacts')
    const grants = await db.ask(
      "SELECT relacl::text AS acl FROM pg_class WHERE oid = 'public.contacts'::regclass",
    )
    expect(grants[0]?.acl).toContain(`${role}=r*/`)
    expect(grants[0]?.acl).toMatch(/[{,]=r\//)
    expect(await db.ask('SELECT z, b FROM public.contacts')).toEqual([])
  })

  it('grows under what depends on it, and names what keeps it from shrinking', async () => {
    const db = await fixture()
    await db.ask(
      'CREATE VIEW mine AS SELECT id FROM public.contacts; ALTER TABLE tributary.contacts ADD COLUMN a text, ADD COLUMN b text',
    )
    await db.migrate()
    await db.ask('ALTER TABLE tributary.contacts RENAME COLUMN a TO z')
    await expect(db.migrate()).rejects.toThrow(
      /public\.contacts cannot be made: .*view mine depends on view contacts; drop what depends/,
    )
    expect(await db.ask('SELECT * FROM mine')).toEqual([])
  })

  it('never takes the place of a table', async () => {
    const { postgresUrl: url, drop } = await freshDatabase()
    onTestFinished(drop)
    await withScratch(url, (connection) => connection.none('CREATE TABLE public.contacts (id int)'))
    await expect(
      migratePostgres({ url, entities: ENTITIES, signal: NEVER, report: () => {} }),
    ).rejects.toThrow(/"contacts" is not a view; rename it \(ALTER TABLE public\.contacts RENAME/)
  })
})

describe('migrations', () => {
  it('halt at the one that fails, which is named and rolled back', async () => {
    const { postgresUrl: url, drop } = await freshDatabase()
    onTestFinished(drop)
    const directory = await mkdtemp(joinPath(tmpdir(), 'migrations-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    await copyFile(joinPath(SHIPPED, '0001_base.sql'), joinPath(directory, '0001_base.sql'))
    await writeFile(
      joinPath(directory, '0002_bad.sql'),
      'CREATE TABLE tributary.half (id int); SELECT nonsense;',
    )
    await writeFile(joinPath(directory, '0010_late.sql'), 'CREATE TABLE tributary.late (id int)')
    await withScratch(url, async (connection) => {
      const lines: string[] = []
      const apply = () => applyMigrations(connection, (line) => lines.push(line), directory)
      expect(await missingMigrations(connection, directory)).toEqual([
        '0001_base.sql',
        '0002_bad.sql',
        '0010_late.sql',
      ])
      await expect(apply()).rejects.toThrow(
        /the migration 0002_bad\.sql failed: column "nonsense" does not exist/,
      )
      expect(lines).toEqual(['Postgres: applied 0001_base.sql'])
      expect(await connection.any("SELECT to_regclass('tributary.half') AS half")).toEqual([{ half: null }])
      expect(await missingMigrations(connection, directory)).toEqual(['0002_bad.sql', '0010_late.sql'])
      await writeFile(joinPath(directory, '0002_bad.sql'), 'CREATE TABLE tributary.half (id int)')
      await apply()
      expect(lines.slice(1)).toEqual(['Postgres: applied 0002_bad.sql', 'Postgres: applied 0010_late.sql'])
      expect(await connection.any('SELECT version FROM tributary.schema_versions ORDER BY 1')).toEqual(
        [1, 2, 10].map((version) => ({ version })),
      )
    })
  })

  it('are applied once, however many apply them', async () => {
    const { postgresUrl: url, drop } = await freshDatabase()
    onTestFinished(drop)
    const lines: string[] = []
    const report = (line: string) => {
      lines.push(line)
    }
    await Promise.all(
      [1, 2, 3].map(() => migratePostgres({ url, entities: ENTITIES, signal: NEVER, report })),
    )
    expect(lines.filter((line) => line.includes('applied'))).toEqual(['Postgres: applied 0001_base.sql'])
  })

  it('stop waiting for their turn when they are told to', async () => {
    const db = await fixture()
    await db.ask("SELECT pg_advisory_lock(hashtextextended('tributary.migrate', 0))")
    const stop = new AbortController()
    const reason = new Error('enough')
    const report = () => stop.abort(reason)
    expect(
      await rejection(migratePostgres({ url: db.url, entities: ENTITIES, signal: stop.signal, report })),
    ).toBe(reason)
  })
})

async function withScratch<T>(url: string, work: Parameters<typeof withConnection<T>>[3]): Promise<T> {
  const database = openDatabase({ url, poolSize: 1, statementTimeoutMs: 0 })
  try {
    return await withConnection(database, 'be tried', NEVER, work)
  } finally {
    await database.$pool.end()
  }
}
