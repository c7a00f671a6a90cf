import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { TransientError } from '../../src/errors.js'
import { openDatabase, withConnection } from '../../src/sinks/postgres/connection.js'
import { migratePostgres } from '../../src/sinks/postgres/migrate/migrate.js'
import { applyMigrations, missingMigrations } from '../../src/sinks/postgres/migrate/migrations.js'
import { createPostgresSink } from '../../src/sinks/postgres/sink.js'
import { freshDatabase, freshName } from '../support/fresh.js'
import { at, ENTITIES, fixture, NEVER, news, person, rejection, rows } from './postgres-fixture.js'

const SHIPPED = joinPath(import.meta.dirname, '../../migrations/postgres')

describe('a column of another type', () => {
  it('is written as what it is now, also before `tributary migrate`, and reported', async () => {
    const db = await fixture()
    const sink = await db.sink(1)
    await sink.write([person('a', 1, [['phone', '1']])], NEVER)
    await db.ask(
      'DROP VIEW public.contacts; ALTER TABLE tributary.contacts ALTER phone TYPE jsonb USING to_jsonb(phone)',
    )
    await sink.write([person('a', 2, [['phone', 'two']])], NEVER)
    const lines: string[] = []
    const report = (line: string) => void lines.push(line)
    const other = await createPostgresSink({ url: db.url, entities: ENTITIES, report })
    onTestFinished(() => other.close())
    expect(lines).toEqual([
      'the column phone of tributary.contacts was text, and is jsonb now: it is written as such; run `tributary migrate`, which records it',
    ])
    await other.write([person('b', 2, [['phone', { n: 1 }]])], NEVER)
    await db.migrate()
    await sink.write([person('c', 2, [['phone', null]])], NEVER)
    expect(await rows(db, 'public.contacts')).toEqual([
      { id: 'a', phone: 'two' },
      { id: 'b', phone: { n: 1 } },
      { id: 'c' },
    ])
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
    const files = await readdir(SHIPPED)
    expect(lines.filter((line) => line.includes('applied'))).toEqual(
      files.sort().map((file) => `Postgres: applied ${file}`),
    )
  })

  it('stop waiting for their turn when they are told to', async () => {
    const db = await fixture()
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip boolean')
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
  const database = openDatabase({ url, poolSize: 1, queryTimeoutMs: 0 })
  try {
    return await withConnection(database, 'be tried', NEVER, work)
  } finally {
    await database.$pool.end()
  }
}
