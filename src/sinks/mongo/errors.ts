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
import { FINAL_OF_A_DOCUMENT, OUTCOMES } from './outcomes.js'

const LOOK = "look into the server's log"
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
  const meaning = OUTCOMES.get(code)
  if (meaning?.outcome !== 'final') return undefined
  return rejected(`${quote(errmsg)} (code ${code}, ${meaning.says})`)
}

/** The refusal of something, it does not say what, in a bulk write; `undefined` where the error is no such one. */
export function refusalOfSome(error: unknown): RejectedError | undefined {
  const source = unwrap(error)
  if (source instanceof BSON.BSONError || isTooLarge(source)) return rejected(quote(source.message), source)
  const code = codeOf(source)
  if (code === undefined || FINAL_OF_A_DOCUMENT.has(code)) return undefined
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
  return transient(doing, errmsg, remedyOf(code) ?? LOOK)
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

/** What a code says is no remedy where it speaks of a document. */
function remedyOf(code: number | undefined): string | undefined {
  const meaning = OUTCOMES.get(code ?? 0)
  return meaning?.outcome === 'transient' ? meaning.says : undefined
}

function remedyFor(error: unknown): string {
  const remedy = remedyOf(codeOf(error))
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
