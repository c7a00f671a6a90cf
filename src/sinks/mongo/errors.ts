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
import { RejectedError, type Suspicion, TransientError } from '../../errors.js'
import { FINAL_OF_A_DOCUMENT, OUTCOMES } from './outcomes.js'

const LOOK = "look into the server's log"
const DUPLICATE_KEY = 11000
/** Labels of errors that the server expects to pass, whatever their code. */
const PASSING = [
  'RetryableWriteError',
  'RetryableError',
  'SystemOverloadedError',
  'TransientTransactionError',
]
/** Longest quoted message, in characters: the driver and the server may quote a whole document. */
const LONGEST_QUOTE = 500

/** The server's error for one document of a bulk write. */
export interface DocumentError {
  readonly code: number
  readonly errmsg?: string | undefined
}

/** Whether the write failed only because another worker inserted the document in the meantime. */
export function isLostRace({ code, errmsg = '' }: DocumentError): boolean {
  if (code !== DUPLICATE_KEY) return false
  // Cosmos DB's message names no index. The index of _id is the likely one, and treating it as a race is harmless.
  const index = / index: (\S+)/.exec(errmsg)?.[1] ?? '_id_'
  return index === '_id_'
}

/** The rejection of one document of a bulk write; `undefined` where the error may pass. */
export function refusal({ code, errmsg = '' }: DocumentError): RejectedError | undefined {
  const meaning = OUTCOMES.get(code)
  if (meaning?.outcome !== 'final') return undefined
  return rejected(`${quote(errmsg)} (code ${code}, ${meaning.says})`)
}

/** What an error is if one document alone fails with it; `undefined` where it is never about a document. */
function suspicionOf({ code, errmsg = '' }: DocumentError): Suspicion | undefined {
  const outcome = OUTCOMES.get(code)?.outcome
  if (outcome === 'transient') return undefined
  if (outcome === 'waits') return { code: String(code), refusal: undefined }
  const why = `code ${code}; this document alone fails with it, others are written`
  return { code: String(code), refusal: rejected(`${quote(errmsg)} (${why})`) }
}

/**
 * The rejection of a whole bulk write in which some document cannot be stored: the error does not say which one.
 * `undefined` where the error is another one.
 */
export function refusalOfSome(error: unknown): RejectedError | undefined {
  const source = unwrap(error)
  if (source instanceof BSON.BSONError || isTooLarge(source)) return rejected(quote(source.message), source)
  const code = codeOf(source)
  if (code === undefined || FINAL_OF_A_DOCUMENT.has(code)) return undefined
  return refusal({ code, errmsg: messageOf(source) })
}

/**
 * Translates an error of the driver: a {@link TransientError} where the server or the network is the cause, else
 * the error itself, which is a bug or a wrong configuration.
 * @param doing what failed; follows "MongoDB could not" in the message: `write to state.contacts`
 */
export function outcomeOf(error: unknown, doing: string): unknown {
  const source = unwrap(error)
  if (!isTransient(source)) return source
  const code = codeOf(source)
  const mayPass = source instanceof MongoError && PASSING.some((label) => source.hasErrorLabel(label))
  const suspicion =
    code === undefined || mayPass ? undefined : suspicionOf({ code, errmsg: messageOf(source) })
  return transient(doing, messageOf(source), remedyFor(source), { cause: source, suspicion })
}

/** As {@link outcomeOf}, for the error of one document of a bulk write. */
export function transientOf(error: DocumentError, doing: string): TransientError {
  const { code, errmsg = '' } = error
  return transient(doing, errmsg, remedyOf(code) ?? LOOK, { suspicion: suspicionOf(error) })
}

/** As {@link transientOf}, for a write that was not confirmed by the members that it needs. */
export function unconfirmed({ code, errmsg = '' }: DocumentError, doing: string): TransientError {
  return transient(doing, errmsg, remedyOf(code) ?? LOOK)
}

function isTransient(error: unknown): boolean {
  if (error instanceof MongoServerClosedError) return true // a member left the replica set while the operation waited
  if (error instanceof MongoAPIError || error instanceof MongoParseError) return false
  return error instanceof MongoError || isSystemError(error)
}

/** Whether it is one of Node's errors for sockets and name servers, which the driver may pass on. Not for files. */
function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || 'path' in error) return false
  return (
    typeof error.code === 'string' && /^(E(?!RR_)[A-Z_]+|ERR_(STREAM|SOCKET|TLS|SSL)_.+)$/.test(error.code)
  )
}

/** The remedy for a code; `undefined` where the code is about a document, and so names no remedy. */
function remedyOf(code: number | undefined): string | undefined {
  const meaning = OUTCOMES.get(code ?? 0)
  return meaning?.outcome === 'final' ? undefined : meaning?.says
}

function remedyFor(error: unknown): string {
  const remedy = remedyOf(codeOf(error))
  if (remedy !== undefined) return remedy
  if (error instanceof MongoNetworkError) return 'the connection was cut'
  const away = error instanceof MongoServerSelectionError || isSystemError(error)
  return away ? 'check that it runs and that the MongoDB URL names it' : LOOK
}

/** The driver wraps errors of a whole command, such as a cut connection, into a bulk write's error: unwraps them. */
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

function transient(
  doing: string,
  message: string,
  remedy: string,
  options?: ConstructorParameters<typeof TransientError>[1],
): TransientError {
  return new TransientError(`MongoDB could not ${doing}: ${quote(message)} (${remedy})`, options)
}

function rejected(message: string, cause?: unknown): RejectedError {
  const remedy = "send the event without it, or lift the collection's rule, and redrive it"
  return new RejectedError('refused_by_store', `MongoDB cannot store this: ${message}; ${remedy}`, { cause })
}
