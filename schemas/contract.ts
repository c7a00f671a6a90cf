import type { Static, TObject, TSchema } from 'typebox'
import type { Operation } from '../src/state/version.js'
import type { Authentication } from './authentication.js'
import { compile, type Shape } from './shape.js'

/**
 * The sinks that a contract can feed; each is a consumer group of its own. `postgres` and `mongo` take what
 * {@link Contract.mapEvent} makes of an event, `feed` what {@link Contract.clean} does. Nothing reads for
 * `interactions` yet: its entries wait in the log.
 */
export type SinkName = 'postgres' | 'mongo' | 'interactions' | 'feed'

/** A kind of thing that events speak of, and the names under which readers find it. */
export interface Entity {
  readonly name: string
  /** Fields that the stores must have a place for; checked against the real columns at the start. */
  readonly fields: readonly string[]
  /** Left out where no Postgres sink is fed. */
  readonly postgres?: {
    /** `tributary.<table>`, read through the view `public.<table>`; its primary key is `id`. */
    readonly table: string
    /** Columns that are not called like their field, in camel or snake case. */
    readonly columns?: Readonly<Record<string, string>>
    /** Columns that belong to the readers: no event ever writes them. */
    readonly local?: readonly string[]
  }
  readonly mongo: {
    /** Which of the two configured databases: `state` (cxone) or `events` (cxone_events). */
    readonly database: 'state' | 'events'
    readonly collection: string
    /** Name of a view of the living documents without bookkeeping, where readers are to use one. */
    readonly view?: string
    /** Name of a field that gets the time of writing. */
    readonly processedAt?: string
    /** For documents whose fields change over time: each gets every field known so far, a missing one as null. */
    readonly evolves?: {
      /** Collection of the same database that has the known fields, a document for each version of them. */
      readonly registry: string
      /** Name of a field that gets the version that a document was written at. */
      readonly versionField: string
    }
  }
}

/** What one event states, in the words that all contracts share. */
export interface MappedEvent {
  readonly entity: Entity
  readonly key: string
  /** `snapshot`: the whole entity · `patch`: only the fields that are present · `delete`. */
  readonly operation: Operation
  /** RFC 3339 with offset; `undefined` where the event has none: then the time of receipt counts. */
  readonly timestamp: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
}

/** One of CXone's webhooks (docs/contracts.md) as data, from which edge, workers, migrations and docs derive. */
export interface Contract {
  /** Also the prefix of its variables: `data-action` is configured by `DATA_ACTION_SECRETS`. */
  readonly name: string
  readonly summary: string
  readonly path: string
  /** How a request proves where it comes from; configuration may choose another way. */
  readonly authentication: Authentication
  /** Whether the answer tells a request without a signature from one with a wrong one. */
  readonly tellsMissing: boolean
  readonly sinks: readonly SinkName[]
  /** What its events speak of. */
  readonly entities: readonly Entity[]
  /** What a request must look like; what is not is answered 400. Costs about 1 us to check. */
  readonly body: Shape
  /** Name of the array in the body that holds the events; left out where the body is the event. */
  readonly list?: string
  /** The events of a request's body that has the shape. */
  events(body: unknown): readonly unknown[]
  /** What a single event must look like; one that does not is dead-lettered alone. The body's, where that is the event. */
  readonly event: Shape
  /** What an event that has the shape states; left out where neither `postgres` nor `mongo` is fed. */
  readonly mapEvent?: (event: unknown) => MappedEvent | UnknownType
  /** What of an event that has the shape goes to the clean feed; left out where `feed` is not fed. */
  readonly clean?: (event: unknown) => CleanRecord
}

/** One event as the clean feed has it. */
export interface CleanRecord {
  /** The feed has one record of each key within its retention. */
  readonly key: string
  /** Plain JSON. */
  readonly value: unknown
  /** When it happened (RFC 3339), where the event tells. */
  readonly timestamp?: string
}

/** An event of a type that the contract does not know (yet). */
export interface UnknownType {
  readonly unknownType: string
}

/** A contract as its module writes it: typed by its own schemas. */
interface Definition<Body extends TSchema, Event extends TObject>
  extends Omit<Contract, 'body' | 'event' | 'events' | 'mapEvent' | 'clean'> {
  readonly body: Body
  readonly events: (body: Static<Body>) => readonly unknown[]
  readonly event: Event
  readonly mapEvent?: (event: Static<Event>) => MappedEvent | UnknownType
  readonly clean?: (event: Static<Event>) => CleanRecord
}

/**
 * Compiles a contract. Its functions are only ever called with what its shapes have accepted.
 * @throws Error where it feeds a sink, but does not say with what
 */
export function defineContract<Body extends TSchema, Event extends TObject>(
  definition: Definition<Body, Event>,
): Contract {
  const { mapEvent, clean, ...data } = definition
  const { name, sinks } = data
  if (!mapEvent && (sinks.includes('postgres') || sinks.includes('mongo')))
    throw new Error(`The contract ${name} feeds a store, but has no mapEvent()`)
  if (!clean && sinks.includes('feed'))
    throw new Error(`The contract ${name} feeds the clean feed, but has no clean()`)
  const body = compile(definition.body)
  return {
    ...data,
    body,
    events: (body) => definition.events(body as Static<Body>),
    event: Object.is(definition.event, definition.body) ? body : compile(definition.event),
    ...(mapEvent && { mapEvent: (event: unknown) => mapEvent(event as Static<Event>) }),
    ...(clean && { clean: (event: unknown) => clean(event as Static<Event>) }),
  }
}
