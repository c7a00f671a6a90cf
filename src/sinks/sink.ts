import type { Entity } from '../../schemas/contract.js'
import type { State } from '../state/state.js'
import type { Position } from '../state/version.js'

/** What one event says of one entity. */
export interface Change {
  readonly entity: Entity
  /** The entity's key: `_id` in MongoDB, the primary key in Postgres. */
  readonly key: string
  readonly state: State
  /** The event that said it; of several folded ones the first. */
  readonly origin: Position
}

/** A place that changes are applied to. Applying a change again, late or out of order must change nothing. */
export interface Sink {
  readonly name: string
  /**
   * Joins changes into what is stored; returns when all are durable.
   * @param changes at most one for an entity and key
   * @throws TransientError nothing is known to be written · BatchError<Change> names the rejected changes, all
   * others are written · the signal's reason, once it is aborted
   */
  write(changes: readonly Change[], signal: AbortSignal): Promise<void>
  /** Whether the store answers now; for readiness. @throws TransientError with the cause where it does not */
  ping(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}
