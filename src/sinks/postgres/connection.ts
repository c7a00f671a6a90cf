import { from } from 'pg-copy-streams'
import pgPromise from 'pg-promise'
import { unlessAborted } from '../../abort.js'
import { isSuspicious, RejectedError } from '../../errors.js'
import { outcomeOf } from './errors.js'

const pgp = pgPromise({ noWarnings: true })

/** A pool of connections; `$pool.end()` closes it. */
export type Database = ReturnType<typeof pgp<object>>
/** One connection out of the pool. */
export type Connection = Awaited<ReturnType<Database['connect']>>

/** Options of {@link openDatabase}. */
export interface DatabaseOptions {
  readonly url: string
  /** Most connections open at a time. */
  readonly poolSize: number
  /** Longest time to wait for an answer, in milliseconds; 0 for no limit. */
  readonly queryTimeoutMs: number
  /**
   * Longest life of a connection, in seconds; one that is in use then is closed when it is given back. The temporary
   * tables of an old connection keep VACUUM from freezing transaction ids. Default: 1,800.
   */
  readonly maxLifetimeSeconds?: number
}

/** Longest time to connect, or to wait for a connection of the pool, in milliseconds. */
const CONNECT_MS = 5_000

/**
 * A pool that has not connected yet.
 * @throws Error where the URL cannot be read
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, poolSize, queryTimeoutMs, maxLifetimeSeconds = 1_800 } = options
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
    // For a network that loses packets in silence. The time for statements is set in transactions: PgBouncer refuses
    // settings that come with the connection.
    query_timeout: queryTimeoutMs,
    maxLifetimeSeconds,
  })
  // Where the server ends a connection while the pool is being closed, the pool emits an error. pg-promise no longer
  // listens then, and an error without a listener ends the process. The work on the connection fails in any case.
  database.$pool.on('error', () => undefined)
  return database
}

/**
 * Lends a connection to `work`, and gives it back to the pool afterwards. Cuts the connection where `work` fails with
 * anything but a {@link RejectedError} or a suspicious TransientError, because its state is unknown then. Also cuts it once the signal is aborted:
 * the server may or may not finish what was sent.
 * @param doing what fails, for the message, as in {@link outcomeOf}
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
    giveBack(!(error instanceof RejectedError || isSuspicious(error)))
    throw error
  }
}

/** Size of a chunk, in characters: large for few writes, small so that the rows are not all in memory twice. */
const CHUNK = 1 << 20

/**
 * Sends statements in one round trip. Exactly one must be a `COPY ... FROM STDIN`, and none may return rows.
 * @param rows the lines for COPY, without line ends
 * @throws the driver's error; the caller must then roll back a transaction that the statements opened
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
