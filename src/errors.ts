/**
 * The three outcomes of a delivery (docs/decisions/0003-three-outcomes.md) as error classes. A call that returns has
 * delivered; any error that is none of these is a bug and ends the process.
 */

/**
 * The sink, Redis or the network cannot do it now: a store that is down, a deadlock, a timeout.
 * The event stays pending and is tried again; an outage never dead-letters anything.
 */
export class TransientError extends Error {
  override readonly name = 'TransientError'
}

/** Why an event is dead-lettered: a closed list, so that letters can be counted and redriven by reason. */
export const REASONS = {
  malformed_json: 'the body is not JSON in UTF-8',
  invalid_body: 'the body does not have the shape of its contract',
  invalid_event: 'one event does not have the shape of its contract',
  unknown_type: 'no contract knows this event type',
  future_timestamp: 'the event claims to be from the future and would freeze its row',
  refused_by_store: 'the database cannot store a value of this event',
  poison: 'each worker that had it ended or hung before it could settle it',
} as const

/** One of the keys of {@link REASONS}. */
export type Reason = keyof typeof REASONS

/** One thing that is wrong with an event. */
export interface ValidationError {
  /** Names and indexes on the way to the value; empty for the event as a whole. */
  readonly loc: readonly string[]
  /** For a person. */
  readonly msg: string
  /** The rule that is broken, as JSON Schema calls it: `type`, `required`, `format`, `enum`, `maximum`, ... */
  readonly type: string
}

/** This event can never succeed. It goes to the dead-letter stream with the reason and the message. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError'
  /** All that is wrong with the event, where that is a matter of its shape. */
  readonly errors: readonly ValidationError[]
  /**
   * @param reason why, from the closed list
   * @param message what exactly, for a person: name the field, the value and the remedy
   * @param options `cause`: the database's own error, where there is one; `errors`: all that is wrong, one by one
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
 * Some items of a batch are refused for good; every item that is not named here is written.
 * `T` is whatever the batch consists of, compared by identity.
 */
export class BatchError<T> extends Error {
  override readonly name = 'BatchError'
  constructor(readonly rejected: ReadonlyMap<T, RejectedError>) {
    super(`${rejected.size} of a batch refused; the others are written`)
  }
}
