/**
 * The three outcomes of a delivery (docs/decisions/0003-three-outcomes.md) as error classes. A call that returns has
 * delivered; any error of another class is a bug and ends the process.
 */

/**
 * The sink, Redis or the network cannot do it now: the store is down, a deadlock, a timeout.
 * The event stays pending and is retried; an outage never dead-letters anything.
 */
export class TransientError extends Error {
  override readonly name = 'TransientError'
  /** Set where one item of the batch, and not the store, may be the cause. */
  readonly suspicion: Suspicion | undefined

  constructor(message: string, options: ErrorOptions & { readonly suspicion?: Suspicion | undefined } = {}) {
    super(message, options)
    this.suspicion = options.suspicion
  }
}

/** What a transient error is when one item alone fails with it, while others are written. */
export interface Suspicion {
  /** The same for the same cause. */
  readonly code: string
  /** The rejection of that item; `undefined` where the item waits for something, such as a lock, and is never at fault. */
  readonly refusal: RejectedError | undefined
}

/** Whether one item of a batch may be the cause of an error. */
export function isSuspicious(error: unknown): error is TransientError {
  return error instanceof TransientError && error.suspicion !== undefined
}

/** Why an event is dead-lettered: a closed list, so that operators can count and redrive letters by reason. */
export const REASONS = {
  malformed_json: 'the body is not JSON in UTF-8',
  invalid_body: 'the body does not have the shape of its contract',
  invalid_event: 'one event does not have the shape of its contract',
  unknown_type: 'no contract knows this event type',
  future_timestamp: 'the event claims to be from the future and would freeze its row',
  too_many_fields: 'the event has too many fields that its contract does not name',
  refused_by_store: 'the database cannot store a value of this event',
  refused_by_cxone: 'CXone refuses to write this event back',
  poison: 'each worker that had it crashed or hung before it could acknowledge it',
} as const

/** One of the keys of {@link REASONS}. */
export type Reason = keyof typeof REASONS

/** One error in an event. */
export interface ValidationError {
  /** Names and indexes of the path to the value; empty for the event as a whole. */
  readonly loc: readonly string[]
  /** For a person. */
  readonly msg: string
  /** The violated rule, by its name in JSON Schema: `type`, `required`, `format`, `enum`, `maximum`, ... */
  readonly type: string
}

/** This event can never succeed. The worker dead-letters it with the reason and the message. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError'
  /** All errors of the event's shape; empty for other errors. */
  readonly errors: readonly ValidationError[]
  /**
   * @param reason why, from the closed list
   * @param message the exact error, for a person: name the field, the value and the remedy
   * @param options `cause`: the database's own error, where there is one; `errors`: all errors, one by one
   */
  constructor(
    readonly reason: Reason,
    message: string,
    options: ErrorOptions & { readonly errors?: readonly ValidationError[] } = {},
  ) {
    super(message, options)
    this.errors = options.errors ?? []
  }
}

/**
 * Some items of a batch are refused for good, or fail now though others are written; all other items are written.
 * `T` is the type of the batch's items, compared by identity.
 */
export class BatchError<T> extends Error {
  override readonly name = 'BatchError'
  /**
   * @param rejected refused for good
   * @param postponed not written and not refused, each with its error: their entries stay pending and come again
   */
  constructor(
    readonly rejected: ReadonlyMap<T, RejectedError>,
    readonly postponed: ReadonlyMap<T, TransientError> = new Map(),
  ) {
    super(`${rejected.size} of a batch refused, ${postponed.size} postponed; the others are written`)
  }
}
