import pgPromise from 'pg-promise'
import type { Connection } from '../connection.js'

const { TransactionMode, isolationLevel } = pgPromise.txMode

/** The process that migrates holds this lock during a step. */
const MIGRATE_LOCK = "hashtextextended('tributary.migrate', 0)"

/**
 * Settings that the statements of a migration depend on: a database or a role may have set any of them.
 * These stay the owner's: `default_transaction_read_only`, `search_path`, which triggers may need, and `lock_timeout`,
 * because a view that waits for one reader holds up all others.
 */
const SETTINGS = `
  SELECT pg_catalog.set_config(name, value, true) FROM (VALUES
    -- An index on a large table takes long.
    ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),
    -- Literals, names and moved values are read and written in one way.
    ('standard_conforming_strings', 'on'), ('quote_all_identifiers', 'off'), ('TimeZone', 'UTC'),
    ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), ('lc_monetary', 'C'), ('array_nulls', 'on'),
    ('xmloption', 'content'),
    -- Rows that a policy hides would stay as they were: an error is better.
    ('row_security', 'off')
  ) AS settings (name, value)
  -- Older versions of Postgres do not know all of them.
  WHERE pg_catalog.current_setting(name, true) IS NOT NULL`

/**
 * Runs `work` on the connection in a transaction that only reads. All of its statements see the same moment: another
 * process may migrate meanwhile.
 */
export function reading<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  return transaction(connection, true, work)
}

/**
 * Runs `work` on the connection in a transaction, while no other process does a step of a migration. Everything that
 * the step needs of the session lives in the transaction, so it works through PgBouncer in transaction mode. Another
 * process may have done the step meanwhile: `work` has to look again.
 * @param report called with a line where the step has to wait
 */
export function inTurn<T>(
  connection: Connection,
  report: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  return transaction(connection, false, async () => {
    const lock = await connection.one<{ taken: boolean }>(
      `SELECT pg_try_advisory_xact_lock(${MIGRATE_LOCK}) AS taken`,
    )
    if (!lock.taken) {
      report('Postgres: waiting for another process that is migrating')
      await waitFor(connection, MIGRATE_LOCK)
    }
    return await work()
  })
}

/** Takes an advisory lock until the transaction ends, and waits for it as long as it takes. @param lock SQL of its key */
export async function waitFor(connection: Connection, lock: string): Promise<void> {
  await connection.any("SELECT pg_catalog.set_config('lock_timeout', '0', true)")
  await connection.one(`SELECT pg_advisory_xact_lock(${lock})`)
  await connection.none('SET LOCAL lock_timeout TO DEFAULT')
}

function transaction<T>(connection: Connection, readOnly: boolean, work: () => Promise<T>): Promise<T> {
  const mode = readOnly
    ? new TransactionMode({ tiLevel: isolationLevel.repeatableRead, readOnly })
    : // So that a statement after a lock shows what was committed while the lock was waited for. Whether it may write,
      // the owner's default_transaction_read_only decides.
      new TransactionMode({ tiLevel: isolationLevel.readCommitted })
  return connection.tx({ mode }, async () => {
    await connection.any(SETTINGS)
    return await work()
  })
}

/** Makes Postgres write names with their schemas, for the rest of the transaction or until {@link ownersPath}. */
export async function emptyPath(connection: Connection): Promise<void> {
  await connection.any("SELECT pg_catalog.set_config('search_path', '', true)")
}

/** Gives the transaction the search_path of the session back: what the owner has made may depend on it. */
export async function ownersPath(connection: Connection): Promise<void> {
  await connection.none('SET LOCAL search_path TO DEFAULT')
}
