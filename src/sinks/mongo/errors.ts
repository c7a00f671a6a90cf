import {
  BSON,
  MongoAPIError,
  MongoBulkWriteError,
  MongoError,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoParseError,
  MongoServerClosedError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'
import { RejectedError, TransientError } from '../../errors.js'

/**
 * The codes with which a database refuses one document for good: it would refuse it at any other time too.
 * Every code that is not listed is transient, so that a fault of the server never dead-letters an event.
 */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [2, 'BadValue'],
  [15, 'Overflow: nested too deep'],
  [22, 'InvalidBSON'],
  [52, 'DollarPrefixedFieldName'],
  [55, 'InvalidDBRef'],
  [56, 'EmptyFieldName'],
  [57, 'DottedFieldName'],
  [121, 'DocumentValidationFailure'],
  [171, 'CannotIndexParallelArrays'],
  [201, 'CannotBuildIndexKeys'],
  [10334, 'BSONObjectTooLarge'],
  [11000, 'DuplicateKey'],
  [13026, 'no coordinates in a field with a 2d index'],
  [13027, 'coordinates out of range in a field with a 2d index'],
  [16572, 'no GeoJSON in a field with a 2dsphere index'],
  [16755, 'no GeoJSON in a field with a 2dsphere index'],
  [16804, 'no coordinates in a field with a 2d index'],
  [17261, 'a language that is no text, in a collection with a text index'],
  [17262, 'an unknown language, in a collection with a text index'],
  [17280, 'KeyTooLong'],
  [17419, 'the document would become too large'],
])
/** Said of a whole command, these speak of the command and not of a document in it. */
const AMBIGUOUS: ReadonlySet<number> = new Set([2, 11000])

const PASSES = 'an election or a restart, which passes by itself'
const LOOK = "look into the server's log"
const CREDENTIALS = 'check the user and the password in the MongoDB URL'
/** What is behind the commoner transient codes, and what a person can do. */
const REMEDIES: ReadonlyMap<number, string> = new Map([
  [13, 'grant the user readWrite on both databases'],
  [18, CREDENTIALS],
  [50, 'it took too long: look at the load of the server'],
  [64, 'too few members of the replica set confirmed the write in time: look at their health'],
  [91, PASSES],
  [100, 'the replica set has too few members for a majority'],
  [134, 'the replica set has no majority yet: look at the health of its members'],
  [189, PASSES],
  [8000, CREDENTIALS],
  [10107, PASSES],
  [11600, PASSES],
  [11602, PASSES],
  [13435, PASSES],
  [13436, PASSES],
  [14031, 'the disk of the server is full'],
  [16500, 'more requests than were provisioned: raise the request units'],
])

const DUPLICATE_KEY = 11000
/** In characters: the driver and the server may quote a whole document. */
const LONGEST_QUOTE = 500

/** What the database says of one document of a bulk write. */
export interface DocumentError {
  readonly code: number
  readonly errmsg?: string | undefined
}

/** Whether another worker inserted the document in the meantime: nothing is wrong with it. */
export function isLostRace({ code, errmsg = '' }: DocumentError): boolean {
  if (code !== DUPLICATE_KEY) return false
  // A message that names no index (Cosmos DB) more likely means this one, and a race is the harmless reading.
  const index = / index: (\S+)/.exec(errmsg)?.[1] ?? '_id_'
  return index === '_id_'
}

/** The refusal of one document of a bulk write; `undefined` where that is no refusal for good. */
export function refusal({ code, errmsg = '' }: DocumentError): RejectedError | undefined {
  const meaning = REFUSALS.get(code)
  return meaning === undefined ? undefined : rejected(`${quote(errmsg)} (code ${code}, ${meaning})`)
}

/** The refusal of something, it does not say what, in a bulk write; `undefined` where the error is no such one. */
export function refusalOfSome(error: unknown): RejectedError | undefined {
  const source = unwrap(error)
  if (source instanceof BSON.BSONError || isTooLarge(source)) return rejected(quote(source.message), source)
  const code = codeOf(source)
  if (code === undefined || AMBIGUOUS.has(code)) return undefined
  return refusal({ code, errmsg: messageOf(source) })
}

/**
 * The outcome that an error of the driver stands for: a {@link TransientError} for whatever the server or the
 * network is to blame for, else the error itself, which is a bug or a wrong configuration.
 * @param doing what failed, to go on after "MongoDB could not": `write to state.contacts`
 */
export function outcomeOf(error: unknown, doing: string): unknown {
  const source = unwrap(error)
  if (!isTransient(source)) return source
  return transient(doing, messageOf(source), remedyFor(source), source)
}

/** As {@link outcomeOf}, for what a bulk write could not do to one document. */
export function transientOf({ code, errmsg = '' }: DocumentError, doing: string): TransientError {
  return transient(doing, errmsg, REMEDIES.get(code) ?? LOOK)
}

function isTransient(error: unknown): boolean {
  if (error instanceof MongoServerClosedError) return true // a member left while the operation waited for it
  if (error instanceof MongoAPIError || error instanceof MongoParseError) return false
  return error instanceof MongoError || isSystemError(error)
}

/** What Node says of sockets and name servers, as far as the driver passes it on as it is. Not of files. */
function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || 'path' in error) return false
  return (
    typeof error.code === 'string' && /^(E(?!RR_)[A-Z_]+|ERR_(STREAM|SOCKET|TLS|SSL)_.+)$/.test(error.code)
  )
}

function remedyFor(error: unknown): string {
  const remedy = REMEDIES.get(codeOf(error) ?? 0)
  if (remedy !== undefined) return remedy
  if (error instanceof MongoNetworkError) return 'the connection was cut'
  const away = error instanceof MongoServerSelectionError || isSystemError(error)
  return away ? 'check that it runs and that the MongoDB URL names it' : LOOK
}

/** What the driver wrapped into a bulk write's error although it is none: a cut connection, a refused command. */
function unwrap(error: unknown): unknown {
  const wrapped = error instanceof MongoBulkWriteError && error.errorResponse instanceof Error
  return wrapped ? error.errorResponse : error
}

function isTooLarge(error: unknown): error is MongoInvalidArgumentError {
  return error instanceof MongoInvalidArgumentError && error.message.includes('larger than the maximum size')
}

function codeOf(error: unknown): number | undefined {
  return error instanceof MongoServerError && typeof error.code === 'number' ? error.code : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function quote(message: string): string {
  return message.length > LONGEST_QUOTE ? `${message.slice(0, LONGEST_QUOTE)}…` : message
}

function transient(doing: string, message: string, remedy: string, cause?: unknown): TransientError {
  return new TransientError(`MongoDB could not ${doing}: ${quote(message)} (${remedy})`, { cause })
}

function rejected(message: string, cause?: unknown): RejectedError {
  const remedy = "send the event without it, or lift the collection's rule, and redrive it"
  return new RejectedError('refused_by_store', `MongoDB cannot store this: ${message}; ${remedy}`, { cause })
}
