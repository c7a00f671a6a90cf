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
}

/** Why an event is dead-lettered: a closed list, so that operators can count and redrive letters by reason. */
export const REASONS = {
  malformed_json: 'the body is not JSON in UTF-8',
  invalid_body: 'the body does not have the shape of its contract',
  invalid_event: 'one event does not have the shape of its contract',
  unknown_type: 'no contract knows this event type',
  future_timestamp: 'the event claims to be from the future and would freeze its row',
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
 * Some items of a batch are refused for good; all other items are written.
 * `T` is the type of the batch's items, compared by identity.
 */
export class BatchError<T> extends Error {
  override readonly name = 'BatchError'
  constructor(readonly rejected: ReadonlyMap<T, RejectedError>) {
    super(`${rejected.size} of a batch refused; the others are written`)
  }
}
