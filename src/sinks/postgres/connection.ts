import { from } from 'pg-copy-streams'
import pgPromise from 'pg-promise'
import { unlessAborted } from '../../abort.js'
import { RejectedError } from '../../errors.js'
import { outcomeOf } from './errors.js'

const pgp = pgPromise({ noWarnings: true })

/** A pool of connections; `$pool.end()` closes it. */
export type Database = ReturnType<typeof pgp<object>>
/** One connection out of the pool. */
export type Connection = Awaited<ReturnType<Database['connect']>>

/** What a pool is opened with. */
export interface DatabaseOptions {
  readonly url: string
  /** Most connections at a time. */
  readonly poolSize: number
  /** What no statement may take longer than, in milliseconds; 0 for no limit. */
  readonly statementTimeoutMs: number
}

/** Connecting, or waiting for a connection of the pool, takes no longer than this, in milliseconds. */
const CONNECT_MS = 5_000

/**
 * A pool that has not connected yet.
 * @throws Error where the URL is none
 */
export function openDatabase({ url, poolSize, statementTimeoutMs }: DatabaseOptions): Database {
  // Checked here, because the driver's own error would quote the URL with its password.
  if (!URL.canParse(url)) {
    throw new Error(
      'the Postgres URL cannot be read; write it as postgres://user:password@host:5432/database',
    )
  }
  const database = pgp<object>({
    connectionString: url,
    application_name: 'tributary',
    max: poolSize,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: statementTimeoutMs,
    // For a network that swallows everything: by then the server has ended the statement long since.
    query_timeout: statementTimeoutMs * 2,
  })
  // A connection that the server ends while the pool is being closed tells the pool, to which pg-promise does not listen
  // any more, and would end the process; what it was used for fails in any case.
  database.$pool.on('error', () => undefined)
  return database
}

/**
 * Lends a connection to `work`. It goes back to the pool afterwards, and is cut where `work` fails with anything
 * but a {@link RejectedError}, for nobody knows then what state it is in. Once the signal is aborted it is cut
 * too: the server may or may not finish what was sent.
 * @param doing for the message, as in {@link outcomeOf}
 * @throws TransientError for trouble with the server or the network · the signal's reason, once it is aborted ·
 * whatever else `work` throws
 */
export async function withConnection<T>(
  database: Database,
  doing: string,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  try {
    const connecting = database.connect()
    const connection = await unlessAborted(connecting, signal, () => {
      connecting.then(
        (late) => late.done(),
        () => {},
      )
    })
    return await lend(connection, signal, work)
  } catch (error) {
    signal.throwIfAborted()
    throw outcomeOf(error, doing)
  }
}

async function lend<T>(
  connection: Connection,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  let lent = true
  const giveBack = (cut: boolean): void => {
    if (lent) connection.done(cut)
    lent = false
  }
  try {
    const result = await unlessAborted(work(connection), signal, () => giveBack(true))
    giveBack(false)
    return result
  } catch (error) {
    giveBack(!(error instanceof RejectedError))
    throw error
  }
}

/** In characters: large enough to be few, small enough not to need all the memory twice. */
const CHUNK = 1 << 20

/**
 * Sends statements of which exactly one is a `COPY ... FROM STDIN` and none returns rows: one round trip for all.
 * @param rows the lines for COPY, without their ends
 * @throws the driver's error; a transaction that the statements opened is then to be rolled back
 */
export function copyIn(connection: Connection, statements: string, rows: Iterable<string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = from(statements)
    stream.on('finish', resolve)
    stream.on('error', reject)
    connection.client.query(stream)
    let chunk = ''
    for (const row of rows) {
      chunk += `${row}\n`
      if (chunk.length < CHUNK) continue
      stream.write(chunk)
      chunk = ''
    }
    stream.end(chunk)
  })
}
