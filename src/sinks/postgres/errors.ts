import pg from 'pg'
import { isSuspicious, RejectedError, type Suspicion, TransientError } from '../../errors.js'
import { FINAL_OF_A_VALUE, meaningOf } from './outcomes.js'

/** The server's routine behind RAISE: the code is a trigger's own choice, and says nothing about the server. */
const RAISE = 'exec_stmt_raise'
/** Raised by `tributary.begin_batch`. */
const STALE_LAYOUT = 'TR001'

/** The database lacks something that this version needs. A person has to change it; the message says how. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
}

/** Whether a person has to change the schema or a privilege: trying again does not help. */
export function isOfSchema(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && /^(?:0A|2B|42|P0)/.test(error.code ?? '')
}

/** The columns have changed since the layout was read; nothing in the batch was written. */
export class StaleLayoutError extends Error {
  override readonly name = 'StaleLayoutError'
}

/** The rejection of a row that Postgres can never store; `undefined` where the error is another one. */
export function refusalOf(error: unknown): RejectedError | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined
  const { code = '', detail } = error
  const meaning = finalMeaning(code, valueInCopy(error) !== undefined)
  if (meaning === undefined) return undefined
  const column = error.column ?? valueInCopy(error)
  const where = column === undefined ? '' : `column ${column}, `
  return rejectionOf(error, `${where}${code}, ${meaning}`, detail)
}

function rejectionOf(error: pg.DatabaseError, meaning: string, detail = ''): RejectedError {
  const message = `Postgres cannot store this: ${error.message} (${meaning})${detail ? `: ${detail}` : ''}`
  const remedy = 'correct the value, or change the table, and redrive it'
  return new RejectedError('refused_by_store', `${message}; ${remedy}`, { cause: error })
}

/** What the error is if one row alone fails with it; `undefined` where it is never about a row. */
function suspicionOf(error: unknown): Suspicion | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined
  const { code = '' } = error
  const meaning = meaningOf(code)
  if (meaning?.outcome === 'transient' && error.routine !== RAISE) return undefined
  if (meaning?.outcome === 'waits') return { code, refusal: undefined }
  const why = `${code}; this row alone fails with it, others are written`
  return { code, refusal: rejectionOf(error, why, error.detail) }
}

function finalMeaning(code: string, inCopy: boolean): string | undefined {
  const known = meaningOf(code)
  if (known?.outcome === 'final') return known.says
  return inCopy ? FINAL_OF_A_VALUE.get(code) : undefined
}

/** The column whose value COPY was reading: `COPY stage, line 3, column vip: "maybe"`. */
function valueInCopy({ where = '' }: pg.DatabaseError): string | undefined {
  return /^COPY .*, line \d+, column ([^:\n]+)/.exec(where)?.[1]
}

/**
 * Translates an error of the driver: a {@link TransientError} where the server or the network is the cause, else
 * the error itself, which has been translated already or is a bug.
 * @param doing what failed; follows "Postgres could not" in the message: `write to tributary.contacts`
 */
export function outcomeOf(error: unknown, doing: string): unknown {
  if (error instanceof pg.DatabaseError && error.code === STALE_LAYOUT) {
    return new StaleLayoutError(error.message, { cause: error })
  }
  if (!isTransient(error)) return error
  return new TransientError(`Postgres could not ${doing}: ${messageOf(error)} (${remedyFor(error)})`, {
    cause: error,
    suspicion: suspicionOf(error),
  })
}

/**
 * As {@link outcomeOf}, where one row may be the cause: then the connection is sound, and the transaction can be rolled
 * back. `undefined` where the error is another one.
 */
export function suspected(error: unknown, doing: string): TransientError | undefined {
  const outcome = outcomeOf(error, doing)
  return isSuspicious(outcome) ? outcome : undefined
}

/** The driver reports network trouble as plain errors, while every kind of bug has its own error class. */
function isTransient(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  return error instanceof pg.DatabaseError || error.constructor === Error || error instanceof AggregateError
}

/** Where connecting over both IPv4 and IPv6 fails, the error is an aggregate without a message. */
function messageOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message
  return error.errors.map((cause) => (cause instanceof Error ? cause.message : String(cause))).join(', ')
}

function remedyFor(error: Error): string {
  if (!(error instanceof pg.DatabaseError)) {
    return 'check that it runs, that the Postgres URL names it, and that the pool is large enough'
  }
  const { code = '' } = error
  return `${code}: ${meaningOf(code)?.says ?? 'look at the triggers of the table, and into the log of the server'}`
}
