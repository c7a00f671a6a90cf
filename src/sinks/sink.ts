import type { Entity } from '../../schemas/contract.js'
import type { State } from '../state/state.js'
import type { Position } from '../state/version.js'
import type { Report } from '../telemetry/command.js'

/** What all kinds of items for a sink have in common. */
export interface SinkItem {
  /** Key of the entity or record. */
  readonly key: string
  /** The event's own timestamp, in milliseconds since 1970; `undefined` where unknown. */
  readonly eventTime?: number | undefined
  /** Position of the event; where several events were folded, of the first. */
  readonly origin: Position
}

/** The change of one entity by one event. Its key is `_id` in MongoDB, the primary key in Postgres. */
export interface Change extends SinkItem {
  readonly entity: Entity
  readonly state: State
}

/**
 * One event in the clean feed. A `Sink<FeedRecord>` keeps only the first record of each key within its retention,
 * whether later ones are the same event or another one: the Redis Stream of `stream/feed.ts` does so; a transactional
 * producer of Kafka could.
 */
export interface FeedRecord extends SinkItem {
  /** The record as JSON. */
  readonly value: string
  /** Name of the event's contract. */
  readonly contract: string
  /** When the event was received, in milliseconds since 1970. */
  readonly receivedAt: number
  /** W3C `traceparent`; empty where the request was not traced. */
  readonly trace: string
}

/** A store that events are written to. Writing an item again, late or out of order must change nothing. */
export interface Sink<Item = Change> {
  readonly name: string
  /**
   * Joins items into the stored state; returns when all are durable.
   * @param items at most one change for each entity and key
   * @param report called with each command; for an aborted command it may be called later, or never
   * @param limitMs longest time that the store may take for the write, in milliseconds; the sink has a default
   * @throws TransientError: some items may be written, or none · BatchError<Item> with the rejected items: all
   * others are written · the signal's reason, once it is aborted
   */
  write(items: readonly Item[], signal: AbortSignal, report?: Report, limitMs?: number): Promise<void>
  /**
   * Checks, for readiness, that the store answers and, as far as it can be asked, takes writes.
   * @throws TransientError with the cause where it does not
   */
  ping(signal: AbortSignal): Promise<void>
  close(): Promise<void>
  /** How to find out whether a failure is the fault of one item; absent where it never is. */
  readonly comparison?: Comparison<Item>
}

/** Compares items of a store: an item that fails is judged by others that are stored in the same place. */
export interface Comparison<Item> {
  /** Table or collection of an item. */
  placeOf(item: Item): string
  /** The same for the same item when its event is delivered again; another one for each other item. */
  identityOf(item: Item): string
  /**
   * The items that the store does not have yet: only their writing proves that the place takes writes now.
   * @param items all of one place
   * @throws TransientError where the store cannot be asked now · the signal's reason, once it is aborted
   */
  newsAmong(items: readonly Item[], signal: AbortSignal): Promise<ReadonlySet<Item>>
  /** Whether a write that fails has written none of its items. */
  readonly isAtomic: boolean
}
