import pg from 'pg'
import { RejectedError, TransientError } from '../../errors.js'

/**
 * What each class of SQLSTATE (its first two characters) means for a row of a batch. A class that is not listed
 * is transient: a fault of the server, the network or the schema never dead-letters an event.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['22', 'data exception: the value does not fit the type of its column'],
  ['23', 'integrity constraint violation: a NOT NULL, CHECK, UNIQUE or FOREIGN KEY of the table'],
  ['54', 'program limit exceeded: too deep, too long or too wide'],
])

const MIGRATE = 'run `tributary migrate`'
const CREDENTIALS = 'check the user and the password in the Postgres URL'
const PASSES = 'it is tried again and passes by itself'
const CAPACITY = 'look at the load of the server, and at max_connections and the size of the pool'
/** What a person can do about the commoner transient errors, by SQLSTATE or its class. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['08', 'the connection was cut; look at the network and at the log of the server'],
  ['25006', 'the server is a replica or read-only: let the Postgres URL name the primary'],
  ['28', CREDENTIALS],
  ['3D', 'create the database that the Postgres URL names'],
  ['3F', MIGRATE],
  ['40', PASSES],
  ['42', `the schema is not as expected: ${MIGRATE}`],
  ['42501', 'grant the user what it lacks on schema tributary, and TEMPORARY on the database'],
  ['53', 'the server is short of memory, disk or connections'],
  ['53100', 'the disk of the server is full'],
  ['53300', CAPACITY],
  ['55', 'something holds a lock; look into pg_locks'],
  ['55000', 'look into the log of the server'],
  ['57', 'the server is starting or stopping, or someone ended the session'],
  ['57014', `it was cancelled or took too long: ${CAPACITY}, and into pg_locks`],
  ['58', 'the server has trouble with its files: look into its log'],
])

/** Raised by `tributary.expect_layout`. */
const STALE_LAYOUT = 'TR001'

/** The database is not as this version needs it, and a person has to change it; the message says how. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
}

/** The columns have changed since the layout was read; nothing of the batch is written. */
export class StaleLayoutError extends Error {
  override readonly name = 'StaleLayoutError'
}

/** Why Postgres refuses a row for good; `undefined` where the error is no such refusal. */
export function refusalOf(error: unknown): RejectedError | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined
  const { code = '', detail } = error
  const meaning = REFUSALS.get(code.slice(0, 2))
  if (meaning === undefined) return undefined
  const column = columnOf(error)
  const where = column === undefined ? '' : `column ${column}, `
  const message = `Postgres cannot store this: ${error.message} (${where}${code}, ${meaning})${detail ? `: ${detail}` : ''}`
  const remedy = 'correct the value, or change the table, and redrive it'
  return new RejectedError('refused_by_store', `${message}; ${remedy}`, { cause: error })
}

/** The column that the server names, or that COPY was reading: `COPY stage, line 3, column vip: "maybe"`. */
function columnOf({ column, where = '' }: pg.DatabaseError): string | undefined {
  return column ?? /^COPY .*, line \d+, column ([^:\n]+)/.exec(where)?.[1]
}

/**
 * The outcome that an error of the driver stands for: a {@link TransientError} for whatever the server or the
 * network is to blame for, else the error itself, which is an outcome already or a bug.
 * @param doing what failed, to go on after "Postgres could not": `write to tributary.contacts`
 */
export function outcomeOf(error: unknown, doing: string): unknown {
  if (error instanceof pg.DatabaseError && error.code === STALE_LAYOUT) {
    return new StaleLayoutError(error.message, { cause: error })
  }
  if (!isTransient(error)) return error
  return new TransientError(`Postgres could not ${doing}: ${messageOf(error)} (${remedyFor(error)})`, {
    cause: error,
  })
}

/** The driver reports trouble with the network as plain errors; every kind of bug has a class of its own. */
function isTransient(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  return error instanceof pg.DatabaseError || error.constructor === Error || error instanceof AggregateError
}

/** An address that was tried over IPv4 and IPv6 in vain fails with an aggregate that has no message. */
function messageOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message
  return error.errors.map((one) => (one instanceof Error ? one.message : String(one))).join(', ')
}

function remedyFor(error: Error): string {
  if (!(error instanceof pg.DatabaseError)) {
    return 'check that it runs, that the Postgres URL names it, and that the pool is large enough'
  }
  const { code = '' } = error
  const remedy = REMEDIES.get(code) ?? REMEDIES.get(code.slice(0, 2)) ?? 'look into the log of the server'
  return `${code}: ${remedy}`
}
