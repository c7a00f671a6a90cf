/**
 * What a code means:
 * - `final`: one row of a batch can never be stored.
 * - `judged`: one row or the store; whether other rows can be written decides.
 * - `waits`: one row or the store, but never the fault of the row: others are written, the row waits.
 * - `transient`: the server or the network.
 */
export interface Meaning {
  readonly outcome: 'final' | 'judged' | 'waits' | 'transient'
  /** For people: the cause and, where it is not final, what to do. */
  readonly says: string
}

const MIGRATE = 'run `tributary migrate`'
const PASSES = 'it is tried again and passes by itself'
const CAPACITY = 'look at the load of the server, and at max_connections and the size of the pool'
const RIGHTS =
  'grant the user what it lacks on schema tributary, and TEMPORARY on the database, or change the policy that refuses the row'
const NAME = 'a value, a trigger or a policy names what does not exist, or the schema is not as expected'

const final = (says: string): Meaning => ({ outcome: 'final', says })
const judged = (says: string): Meaning => ({ outcome: 'judged', says })
const waits = (says: string): Meaning => ({ outcome: 'waits', says })
const transient = (says: string): Meaning => ({ outcome: 'transient', says })

/**
 * Meanings by SQLSTATE, or by its class, which is its first two characters; an SQLSTATE overrides its class. A code
 * that is not listed is judged. docs/outcomes.md shows this table.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const OUTCOMES: ReadonlyMap<string, Meaning> = new Map([
  ['08', transient('the connection was cut; look at the network and at the log of the server')],
  ['21', judged('cardinality violation: look at the triggers of the table')],
  ['22', final('data exception: the value does not fit the type of its column')],
  ['23', final('integrity constraint violation: a NOT NULL, CHECK, UNIQUE or FOREIGN KEY of the table')],
  ['25', transient('the transaction was broken; look at the triggers of the table')],
  ['25006', transient('the server is a replica or read-only: let the Postgres URL name the primary')],
  ['26', transient('the session has lost its statements; look at the pooler, if there is one')],
  ['28', transient('check the user and the password in the Postgres URL')],
  ['3D', transient('create the database that the Postgres URL names')],
  ['3F', judged(`${NAME}: where tables are missing, ${MIGRATE}`)],
  ['40', transient(PASSES)],
  ['42', judged(`${NAME}: look at the triggers and policies of the table`)],
  ['42501', judged(RIGHTS)],
  ['42703', judged(`a column is missing: ${MIGRATE}, or look at the triggers of the table`)],
  ['42883', judged(`a function is missing: ${MIGRATE}, or look at the triggers of the table`)],
  ['42P01', judged(`a table is missing: ${MIGRATE}, or look at the triggers of the table`)],
  ['42P05', transient('the session has statements of another one; look at the pooler, if there is one')],
  ['53', transient('the server is short of memory, disk or connections')],
  ['53100', transient('the disk of the server is full')],
  ['53300', transient(CAPACITY)],
  ['54', final('program limit exceeded: too deep, too long or too wide')],
  ['55', waits('something holds a lock; look into pg_locks')],
  ['55000', waits('look at the triggers of the table, and into the log of the server')],
  ['57', transient('the server is starting or stopping, or someone ended the session')],
  ['57014', judged(`it was cancelled or took too long: ${CAPACITY}, and into pg_locks`)],
  ['58', transient('the server has trouble with its files: look into its log')],
  ['P0001', final('raised by a trigger of the table: a RAISE EXCEPTION without an ERRCODE of its own')],
  ['P0002', judged('no data found: look at the triggers of the table')],
  ['P0003', judged('too many rows: look at the triggers of the table')],
  ['P0004', final('raised by a trigger of the table: an ASSERT')],
  ['XX001', waits('the server has damaged data: look into its log')],
  ['XX002', waits('the server has a damaged index: look into its log')],
])

/**
 * Codes that are judged as an error of a statement, but final as an error of a value that COPY was reading: some
 * types use them for a text that they cannot read, such as tsquery, ltree and jsonpath (42601) and PostGIS (XX000).
 */
export const FINAL_OF_A_VALUE: ReadonlyMap<string, string> = new Map([
  ['42601', 'the value does not fit the type of its column'],
  ['XX000', 'the value does not fit the type of its column'],
])

/** The meaning of an SQLSTATE; `undefined` for an unknown one, which is judged. */
export function meaningOf(code: string): Meaning | undefined {
  return OUTCOMES.get(code) ?? OUTCOMES.get(code.slice(0, 2))
}
