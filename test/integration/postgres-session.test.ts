import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { interactions } from '../../schemas/cdc.js'
import { openDatabase, withConnection } from '../../src/sinks/postgres/connection.js'
import { snapshot } from '../../src/state/state.js'
import { at, change, type Fixture, fixture, NEVER, news, person, WAITS } from './postgres-fixture.js'

/** Settings that an owner, or a colleague behind the same pooler, may have chosen for the whole database. */
const SETTINGS = {
  TimeZone: 'Asia/Tokyo',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'iso_8601',
  standard_conforming_strings: 'off',
  array_nulls: 'off',
  default_transaction_isolation: 'serializable',
  synchronous_commit: 'off',
  row_security: 'off',
  xmloption: 'document',
  enable_nestloop: 'off',
  enable_indexscan: 'off',
  search_path: 'pg_temp',
  client_min_messages: 'debug5',
  statement_timeout: '20s',
  plan_cache_mode: 'force_custom_plan',
}

async function set({ ask, url }: Fixture, settings: Readonly<Record<string, string>>): Promise<void> {
  const database = new URL(url).pathname.slice(1)
  for (const [name, value] of Object.entries(settings)) {
    await ask(`ALTER DATABASE ${database} SET ${name} TO ${pg.escapeLiteral(value)}`)
  }
}

describe("a database's own settings", () => {
  it('change nothing in what is stored', async () => {
    const stored = []
    for (const settings of [{}, SETTINGS]) {
      const db = await fixture()
      await db.ask(`ALTER TABLE tributary.contacts ADD COLUMN path text DEFAULT 'C:\\new', ADD COLUMN tags text[],
        ADD COLUMN wait interval, ADD COLUMN seen timestamptz, ADD COLUMN note xml`)
      await set(db, settings)
      await db.migrate()
      const sink = await db.sink()
      await sink.write(
        [
          person('back\\slash', 1, [
            ['tags', ['a', null, 'NULL']],
            ['wait', '1 day 02:00'],
            ['note', 'a<b/>c'],
          ]),
          person('b', 1, [
            ['seen', '2026-02-03T04:05:06Z'],
            ['firstName', 'O\'Neil \\ "x"'],
          ]),
          change(
            interactions,
            'i',
            snapshot(at(1, 'snapshot'), [['startedAt', '2026-02-03T04:05:06+02:00']]),
          ),
        ],
        NEVER,
      )
      await sink.write([news('b', 2, [['phone', '1']])], NEVER)
      stored.push(await db.ask(`SELECT to_jsonb(t) - 'uid' AS row FROM tributary.contacts AS t ORDER BY id`))
      stored.push(await db.ask('SELECT started_at FROM tributary.interactions'))
    }
    expect(stored[0]).toHaveLength(2)
    expect(stored.slice(2)).toEqual(stored.slice(0, 2))
  })

  it('let an event that waits behind `tributary migrate` be written with the new columns', async () => {
    const db = await fixture()
    await set(db, { default_transaction_isolation: 'repeatable read' })
    const sink = await db.sink()
    await sink.write([person('a', 1, [['vip', 'yes']])], NEVER)
    await db.ask('ALTER TABLE tributary.contacts ADD COLUMN vip text')
    const rival = new pg.Client({ connectionString: db.url })
    await rival.connect()
    onTestFinished(() => rival.end())
    await rival.query("BEGIN; SELECT FROM tributary.contacts WHERE id = 'a' FOR UPDATE")
    const waiting = (count: number) =>
      vi.waitFor(async () => expect(await db.ask(WAITS)).toHaveLength(count), 10_000)
    const migrating = db.migrate()
    await waiting(1)
    const writing = sink.write([person('b', 1, [['vip', 'no']])], NEVER)
    await waiting(2)
    await rival.query('COMMIT')
    await migrating
    await writing
    expect(await db.ask('SELECT id, vip, extra FROM tributary.contacts ORDER BY id')).toEqual([
      { id: 'a', vip: 'yes', extra: null },
      { id: 'b', vip: 'no', extra: null },
    ])
  })

  it("that forbid to write are the owner's last word", async () => {
    const db = await fixture()
    const sink = await db.sink()
    await set(db, { default_transaction_read_only: 'on' })
    await db.ask(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tributary'",
    )
    await vi.waitFor(() => expect(sink.ping(NEVER)).rejects.toThrow(/takes no writes/))
    await expect(sink.write([person('a', 1, [])], NEVER)).rejects.toThrow(/25006/)
  })
})

it('a connection ends when it is old, so that its temporary tables do not hold VACUUM up', async () => {
  const db = await fixture()
  const database = openDatabase({ url: db.url, poolSize: 1, queryTimeoutMs: 0, maxLifetimeSeconds: 1 })
  onTestFinished(() => database.$pool.end())
  const pid = () =>
    withConnection(database, 'ask', NEVER, (one) =>
      one.one<{ pid: number }>('SELECT pg_backend_pid() AS pid'),
    )
  const first = await pid()
  await vi.waitFor(async () => expect(await pid()).not.toEqual(first), 20_000)
})
