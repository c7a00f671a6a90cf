import { type EventEmitter, once } from 'node:events'
import pg from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { interactions } from '../../schemas/cdc.js'
import { TransientError } from '../../src/errors.js'
import { copyIn, openDatabase, withConnection } from '../../src/sinks/postgres/connection.js'
import { createPostgresSink, type PostgresSink } from '../../src/sinks/postgres/sink.js'
import { snapshot } from '../../src/state/state.js'
import { freshName } from '../support/fresh.js'
import { startProxy } from '../support/proxy.js'
import {
  at,
  change,
  DISCONNECT,
  ENTITIES,
  type Fixture,
  fixture,
  NEVER,
  person,
  rejection,
  WAITS,
} from './postgres-fixture.js'

async function connection({ url }: Fixture): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

async function alter({ ask, url }: Fixture, what: string): Promise<void> {
  await ask(`ALTER DATABASE ${new URL(url).pathname.slice(1)} ${what}`)
}

async function names({ ask }: Fixture): Promise<unknown[]> {
  return (await ask('SELECT first_name FROM tributary.contacts ORDER BY id')).map((row) => row.first_name)
}

async function until({ ask }: Fixture, sql: string): Promise<Record<string, unknown>> {
  return await vi.waitFor(async () => {
    const [row] = await ask(sql)
    if (row === undefined) throw new Error(`not yet: ${sql}`)
    return row
  }, 30_000)
}

const news = ['a', 'b'].map((key) => person(key, 2, [['firstName', `${key} new`]]))

/** A sink whose two rows are there, and somebody else's transaction, who has just changed the second. */
async function contended(setting: string) {
  const db = await fixture()
  if (setting !== '') await alter(db, setting)
  const sink = await db.sink(1)
  await sink.write(
    ['a', 'b'].map((key) => person(key, 1, [['firstName', key]])),
    NEVER,
  )
  const rival = await connection(db)
  await rival.query(
    "BEGIN; SET deadlock_timeout = '1min'; UPDATE tributary.contacts SET last_name = 'x' WHERE id = 'b'",
  )
  return { db, sink, rival }
}

async function failsOnce(writing: Promise<void>, message: RegExp): Promise<void> {
  const error = await rejection(writing)
  expect(error).toBeInstanceOf(TransientError)
  expect(String(error)).toMatch(message)
}

/** What failed writes all of it now. */
async function passes(db: Fixture, sink: PostgresSink): Promise<void> {
  await sink.write(news, NEVER)
  expect(await names(db)).toEqual(['a new', 'b new'])
}

describe('somebody else in the way', () => {
  it('a deadlock is tried again', async () => {
    const { db, sink, rival } = await contended('')
    const writing = failsOnce(sink.write(news, NEVER), /deadlock detected \(40P01: it is tried again/)
    await until(db, WAITS)
    await rival.query("UPDATE tributary.contacts SET last_name = 'x' WHERE id = 'a'")
    await writing
    await rival.query('COMMIT')
    await passes(db, sink)
  })

  it('so is a lock that is not let go in time', async () => {
    const { db, sink, rival } = await contended("SET lock_timeout = '200ms'")
    await failsOnce(sink.write(news, NEVER), /due to lock timeout \(55P03: something holds a lock/)
    expect(await names(db)).toEqual(['a', 'b'])
    await rival.query('ROLLBACK')
    await passes(db, sink)
  })

  it('and a database whose transactions see only what was there when they began', async () => {
    const { db, sink, rival } = await contended("SET default_transaction_isolation = 'repeatable read'")
    const writing = sink.write(news, NEVER)
    await until(db, WAITS)
    await rival.query('COMMIT')
    await writing
    await passes(db, sink)
  })

  it('no worker waits for one that hangs between two tables', async () => {
    const { db, rival, sink } = await contended('')
    await rival.query('ROLLBACK')
    const proxy = await startProxy({ host: '127.0.0.1', port: Number(new URL(db.url).port) })
    onTestFinished(() => proxy.close())
    const url = new URL(db.url)
    url.port = String(proxy.port)
    const hanging = await createPostgresSink({ url: url.href, poolSize: 1, entities: ENTITIES })
    onTestFinished(() => hanging.close())
    const batch = [...news, change(interactions, 'i', snapshot(at(1, 'snapshot'), [['durationSeconds', 5]]))]
    await hanging.write([person('z', 1, []), ...batch.slice(2)], NEVER)
    await db.ask("DELETE FROM tributary.contacts WHERE id = 'z'")
    proxy.delay(300)
    const stop = new AbortController()
    const writing = rejection(hanging.write(batch, stop.signal))
    // The rows of the first table are there, those of the second are on their way for ever.
    await until(
      db,
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE '%COPY%'",
    )
    proxy.freeze()
    await passes(db, sink)
    stop.abort(new Error('enough'))
    await writing
  })
})

describe('a server that takes no writes', () => {
  it('because it is read-only says so, to the probe, too', async () => {
    const { db, sink, rival } = await contended('')
    await rival.query('ROLLBACK')
    await alter(db, 'SET default_transaction_read_only = on')
    await db.ask(DISCONNECT)
    await vi.waitFor(() =>
      failsOnce(sink.ping(NEVER), /takes no writes: the server is a replica or read-only/),
    )
    await failsOnce(sink.write(news, NEVER), /read-only transaction \(25006: .*name the primary/)
    await db.ask('SET default_transaction_read_only = off')
    await alter(db, 'RESET default_transaction_read_only')
    await vi.waitFor(() => sink.ping(NEVER))
    await passes(db, sink)
  })

  it('because it has no connection left, for a role that has what it needs and no more', async () => {
    const { db, rival } = await contended('')
    await rival.query('ROLLBACK')
    const role = freshName('role')
    await db.ask(`CREATE ROLE ${role} LOGIN CONNECTION LIMIT 1; GRANT USAGE ON SCHEMA tributary TO ${role};
      GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA tributary TO ${role}`)
    onTestFinished(async () => {
      await db.ask(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    })
    const url = new URL(db.url)
    url.username = role
    const open = () => createPostgresSink({ url: url.href, poolSize: 1, entities: ENTITIES })
    const sink = await open()
    onTestFinished(() => sink.close())
    await db.ask('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [role])
    const other = await vi.waitFor(async () => {
      const client = new pg.Client({ connectionString: url.href })
      await client.connect()
      return client
    })
    await vi.waitFor(() =>
      failsOnce(sink.write(news, NEVER), /too many connections for role .*\(53300: look at/),
    )
    await failsOnce(
      open().then(() => undefined),
      /too many connections/,
    )
    await other.end()
    await vi.waitFor(() => passes(db, sink))
  })
})

/** A way to the database through a bad network, with little patience. */
async function throughProxy(db: Fixture, queryTimeoutMs: number) {
  const url = new URL(db.url)
  const proxy = await startProxy({ host: '127.0.0.1', port: Number(url.port) })
  onTestFinished(() => proxy.close())
  url.port = String(proxy.port)
  const database = openDatabase({ url: url.href, poolSize: 1, queryTimeoutMs })
  onTestFinished(() => database.$pool.end())
  await db.ask('CREATE TABLE rows (text text)')
  const copy = (rows: Iterable<string>) =>
    withConnection(database, 'copy', NEVER, (one) => copyIn(one, 'COPY rows FROM STDIN', rows))
  const count = async () => (await db.ask<{ count: number }>('SELECT count(*)::int FROM rows'))[0]?.count
  return { proxy, database, copy, count }
}

describe('a connection', () => {
  it('that the server ends while it is being closed causes no error', async () => {
    const { url } = await fixture()
    const database = openDatabase({ url, poolSize: 1, queryTimeoutMs: 0 })
    const opened = once(database.$pool as unknown as EventEmitter, 'connect')
    await withConnection(database, 'ask', NEVER, (one) => one.query('SELECT 1'))
    const [client] = (await opened) as [EventEmitter]
    const closed = database.$pool.end()
    client.emit('error', new Error('terminating connection due to administrator command'))
    await closed
  })

  it('that is ended in the midst of COPY writes nothing, and another one all', async () => {
    const db = await fixture()
    const { proxy, copy, count } = await throughProxy(db, 60_000)
    const rows = Array.from({ length: 40 }, () => 'x'.repeat(100_000))
    await copy(['first'])
    proxy.delay(300)
    const writing = failsOnce(copy(rows), /terminating connection due to administrator command \(57P01/)
    await until(
      db,
      'SELECT pg_terminate_backend(pid) FROM pg_stat_progress_copy WHERE datname = current_database()',
    )
    await writing
    proxy.delay(0)
    expect(await count()).toBe(1)
    await copy(rows)
    expect(await count()).toBe(41)
  })

  it('on which nothing comes any more is given up on this side', async () => {
    const db = await fixture()
    const { proxy, copy, count } = await throughProxy(db, 1_000)
    await copy(['first'])
    proxy.freeze()
    // Still frozen: that this ends at all is what the test is about.
    await failsOnce(copy(['second']), /could not copy: Query read timeout \(check that it runs/)
    proxy.thaw()
    await copy(['third'])
    expect(await count()).toBe(2)
  })

  it('on which a statement takes too long fails with the error of the server', async () => {
    const db = await fixture()
    const { database } = await throughProxy(db, 5_000)
    const slow = withConnection(database, 'sleep', NEVER, (one) =>
      one.any('SET statement_timeout = 100; SELECT pg_sleep(5)'),
    )
    await failsOnce(
      slow.then(() => undefined),
      /statement timeout \(57014: it was cancelled or took too long/,
    )
  })
})

it('an answer that is lost after the COMMIT is asked for again, and doubles nothing', async () => {
  const db = await fixture()
  const url = new URL(db.url)
  const proxy = await startProxy({ host: '127.0.0.1', port: Number(url.port) })
  onTestFinished(() => proxy.close())
  url.port = String(proxy.port)
  const sink = await createPostgresSink({ url: url.href, poolSize: 1, entities: ENTITIES })
  onTestFinished(() => sink.close())
  const batch = Array.from({ length: 300 }, (_, n) => person(`c-${n}`, 1, [['firstName', `${n}`]]))
  await sink.write(batch.slice(0, 1), NEVER)
  proxy.delay(100)
  const writing = failsOnce(
    sink.write(batch, NEVER),
    /could not write 300 rows: (Connection terminated|read ECONNRESET)/,
  )
  await until(db, 'SELECT 1 FROM tributary.contacts HAVING count(*) = 300')
  proxy.cut()
  await writing
  proxy.restore()
  await sink.write(batch, NEVER)
  expect(await names(db)).toHaveLength(300)
})
