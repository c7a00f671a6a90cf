import { RejectedError, TransientError } from '../errors.js'

/** Whether a failed request may have had its effect: `no`, or `unknown`, as where the answer was lost. */
export type Applied = 'no' | 'unknown'

/** CXone cannot do it now, or its answer is unclear: a connection that breaks, 408, 429, 5xx, an answer that is not JSON. */
export class CxoneTransient extends TransientError {
  /** Whether the request may have had its effect. */
  readonly applied: Applied
  /** How long CXone wants to be left alone, in ms, where it is known. The client waits for that long itself. */
  readonly retryAfterMs: number | undefined
  constructor(message: string, applied: Applied, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(message, options)
    this.applied = applied
    this.retryAfterMs = options.retryAfterMs
  }
}

/** CXone refuses one request for good. A dead letter gets its words. */
export class CxoneRefusal extends RejectedError {
  constructor(
    /** Status of the answer, or of the update in a batch. */
    readonly status: number,
    message: string,
  ) {
    super('refused_by_cxone', message)
  }
}

/**
 * CXone refuses this client whatever it asks for: wrong credentials, a missing scope, a wrong URL. No event is at fault,
 * so none may be dead-lettered: stop sending until a person has corrected the configuration or the permissions.
 */
export class AccessError extends Error {
  override readonly name = 'AccessError'
  constructor(
    message: string,
    /** Status of the answer. */
    readonly status: number,
  ) {
    super(message)
  }
}
