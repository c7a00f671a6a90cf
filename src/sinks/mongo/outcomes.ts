/**
 * What an error code means:
 * - `final`: one document can never be stored.
 * - `judged`: one document or the store; whether other documents can be written decides.
 * - `waits`: one document or the store, but never the fault of the document: others are written, the document waits.
 * - `transient`: the server or the network.
 */
export interface Meaning {
  readonly outcome: 'final' | 'judged' | 'waits' | 'transient'
  /** For people: the cause and, where it is not final, what to do. */
  readonly says: string
}

const PASSES = 'an election or a restart, which passes by itself'
const CREDENTIALS = 'check the user and the password in the MongoDB URL'
const TOO_LONG = 'it took too long: look at the load of the server'
const CUT = 'the connection to a member was cut: look at the network and at the health of the members'

const final = (says: string): Meaning => ({ outcome: 'final', says })
const judged = (says: string): Meaning => ({ outcome: 'judged', says })
const waits = (says: string): Meaning => ({ outcome: 'waits', says })
const transient = (says: string): Meaning => ({ outcome: 'transient', says })

/**
 * Meanings by error code. A code that is not listed is judged. docs/outcomes.md shows this table. https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
 */
export const OUTCOMES: ReadonlyMap<number, Meaning> = new Map([
  [2, final('BadValue')],
  [6, transient(CUT)],
  [7, transient(CUT)],
  [13, waits('grant the user readWrite on both databases')],
  [15, final('Overflow: nested too deep')],
  [18, transient(CREDENTIALS)],
  [22, final('InvalidBSON')],
  [50, judged(TOO_LONG)],
  [52, final('DollarPrefixedFieldName')],
  [55, final('InvalidDBRef')],
  [56, final('EmptyFieldName')],
  [57, final('DottedFieldName')],
  [64, transient('too few members of the replica set confirmed the write in time: look at their health')],
  [89, transient(CUT)],
  [91, transient(PASSES)],
  [100, transient('the replica set has too few members for a majority')],
  [112, transient('WriteConflict: another client wrote at the same moment, which passes by itself')],
  [121, final('DocumentValidationFailure')],
  [134, transient('the replica set has no majority yet: look at the health of its members')],
  [171, final('CannotIndexParallelArrays')],
  [189, transient(PASSES)],
  [201, final('CannotBuildIndexKeys')],
  [262, transient(TOO_LONG)],
  [8000, transient(CREDENTIALS)],
  [9001, transient(CUT)],
  [10107, transient(PASSES)],
  [10334, final('BSONObjectTooLarge')],
  [11000, final('DuplicateKey')],
  [11600, transient(PASSES)],
  [11602, transient(PASSES)],
  [13026, final('no coordinates in a field with a 2d index')],
  [13027, final('coordinates out of range in a field with a 2d index')],
  [13435, transient(PASSES)],
  [13436, transient(PASSES)],
  [14031, transient('the disk of the server is full')],
  [16500, transient('more requests than were provisioned: raise the request units')],
  [16572, final('no GeoJSON in a field with a 2dsphere index')],
  [16755, final('no GeoJSON in a field with a 2dsphere index')],
  [16804, final('no coordinates in a field with a 2d index')],
  [17261, final('a language that is no text, in a collection with a text index')],
  [17262, final('an unknown language, in a collection with a text index')],
  [17280, final('KeyTooLong')],
  [17419, final('the document would become too large')],
])

/** Codes that are final as an error of one document, but judged as an error of a whole command. */
export const FINAL_OF_A_DOCUMENT: ReadonlySet<number> = new Set([2, 11000])
