/** What a code means: `final` is about one row of a batch, `transient` about the server, the network or the schema. */
export interface Meaning {
  readonly outcome: 'final' | 'transient'
  /** For people: the cause and, where it is transient, what to do. */
  readonly says: string
}

const MIGRATE = 'run `tributary migrate`'
const PASSES = 'it is tried again and passes by itself'
const CAPACITY = 'look at the load of the server, and at max_connections and the size of the pool'

const final = (says: string): Meaning => ({ outcome: 'final', says })
const transient = (says: string): Meaning => ({ outcome: 'transient', says })

/**
 * Meanings by SQLSTATE, or by its class, which is its first two characters; an SQLSTATE overrides its class. A code
 * that is not listed is transient: a fault of the server, the network or the schema never dead-letters an event.
 * docs/outcomes.md shows this table. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const OUTCOMES: ReadonlyMap<string, Meaning> = new Map([
  ['08', transient('the connection was cut; look at the network and at the log of the server')],
  ['22', final('data exception: the value does not fit the type of its column')],
  ['23', final('integrity constraint violation: a NOT NULL, CHECK, UNIQUE or FOREIGN KEY of the table')],
  ['25006', transient('the server is a replica or read-only: let the Postgres URL name the primary')],
  ['28', transient('check the user and the password in the Postgres URL')],
  ['3D', transient('create the database that the Postgres URL names')],
  ['3F', transient(MIGRATE)],
  ['40', transient(PASSES)],
  ['42', transient(`the schema is not as expected: ${MIGRATE}`)],
  ['42501', transient('grant the user what it lacks on schema tributary, and TEMPORARY on the database')],
  ['53', transient('the server is short of memory, disk or connections')],
  ['53100', transient('the disk of the server is full')],
  ['53300', transient(CAPACITY)],
  ['54', final('program limit exceeded: too deep, too long or too wide')],
  ['55', transient('something holds a lock; look into pg_locks')],
  ['55000', transient('look into the log of the server')],
  ['57', transient('the server is starting or stopping, or someone ended the session')],
  ['57014', transient(`it was cancelled or took too long: ${CAPACITY}, and into pg_locks`)],
  ['58', transient('the server has trouble with its files: look into its log')],
  ['P0001', final('raised by a trigger of the table: a RAISE EXCEPTION without an ERRCODE of its own')],
  ['P0004', final('raised by a trigger of the table: an ASSERT')],
])

/**
 * Codes that are transient as an error of a statement, but final as an error of a value that COPY was reading: some
 * types use them for a text that they cannot read, such as tsquery, ltree and jsonpath (42601) and PostGIS (XX000).
 */
export const FINAL_OF_A_VALUE: ReadonlyMap<string, string> = new Map([
  ['42601', 'the value does not fit the type of its column'],
  ['XX000', 'the value does not fit the type of its column'],
])

/** The meaning of an SQLSTATE; `undefined` for an unknown one, which is transient. */
export function meaningOf(code: string): Meaning | undefined {
  return OUTCOMES.get(code) ?? OUTCOMES.get(code.slice(0, 2))
}
