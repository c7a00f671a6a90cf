import type { Entity } from '../../schemas/contract.js'
import type { State } from '../state/state.js'
import type { Position } from '../state/version.js'
import type { Report } from '../telemetry/command.js'

/** What is brought to a sink, as every kind of it is. */
export interface SinkItem {
  /** What it is about. */
  readonly key: string
  /** The event's own timestamp, in milliseconds since 1970, where it is known. */
  readonly eventTime?: number | undefined
  /** The event that said it; of several folded ones the first. */
  readonly origin: Position
}

/** What one event says of one entity. Its key is `_id` in MongoDB, the primary key in Postgres. */
export interface Change extends SinkItem {
  readonly entity: Entity
  readonly state: State
}

/**
 * One event as the clean feed has it. A `Sink<FeedRecord>` takes the first record of each key within its
 * retention and leaves out the others, whether they are the same event again or another one: the Redis Stream of
 * `stream/feed.ts` does; a transactional producer of Kafka could.
 */
export interface FeedRecord extends SinkItem {
  /** JSON. */
  readonly value: string
  /** Name of the contract that the event came in by. */
  readonly contract: string
  /** When it was received, in milliseconds since 1970. */
  readonly receivedAt: number
  /** W3C `traceparent`; empty where the request was not traced. */
  readonly trace: string
}

/** A place that events are brought to. Writing an item again, late or out of order must change nothing. */
export interface Sink<Item = Change> {
  readonly name: string
  /**
   * Joins items into what is stored; returns when all are durable.
   * @param items of changes at most one for an entity and key
   * @param report gets each command that it takes; one that is cut short comes later, or never
   * @throws TransientError nothing is known to be written · BatchError<Item> names the rejected items, all
   * others are written · the signal's reason, once it is aborted
   */
  write(items: readonly Item[], signal: AbortSignal, report?: Report): Promise<void>
  /**
   * Whether the store answers now, and takes writes as far as it tells; for readiness.
   * @throws TransientError with the cause where it does not
   */
  ping(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}
