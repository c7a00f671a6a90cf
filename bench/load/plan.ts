/** What the load generator is to do; it goes to its process as a message. */
export interface LoadPlan {
  readonly port: number
  readonly connections: number
  readonly requests: RequestRecipe
  readonly loop: ClosedLoop | OpenLoop
}

/** Every connection sends its next request as soon as it has the answer to the last: as much as the server can. */
export interface ClosedLoop {
  readonly kind: 'closed'
  /** Not counted in the figures, in s. */
  readonly warmUp: number
  readonly seconds: number
}

/**
 * Requests are due at a fixed rate, whatever the answers take. How long one took counts from when it was due, so a
 * server that stalls is charged for all that had to wait: no coordinated omission.
 */
export interface OpenLoop {
  readonly kind: 'open'
  readonly rate: number
  readonly seconds: number
}

/** What is sent. */
export interface RequestRecipe {
  /** `contact`: one event · `contact-sync`: many in an array. */
  readonly body: 'contact' | 'events'
  /** Bytes of a body, about; of `events` the number of events. */
  readonly size: number
  /** Whether the signature is the right one. */
  readonly signed: boolean
  /** First part of all keys. */
  readonly run: string
  /** `fresh`: no two requests are the same · a number: this many different requests, made before and repeated. */
  readonly variety: 'fresh' | number
}

/** What has become of a load. */
export interface LoadReport {
  /** Of the counted time, in s. */
  readonly seconds: number
  /** Requests by the status of their answers, in the counted time. */
  readonly byStatus: Readonly<Record<string, number>>
  /** All that were acknowledged (202), with the warm-up: what has to be in the log. */
  readonly acknowledged: number
  /** Whether request n was acknowledged, a byte each; only of `fresh` ones. */
  readonly flags: Uint8Array
  /** Requests without an answer in time: their events may be in the log or not. */
  readonly unanswered: number
  /** Requests that were due but not sent before the end, because earlier ones had no answer. */
  readonly unsent: number
  /** Of answers 202 in the counted time; see `Durations`. */
  readonly durations: Uint32Array
}
