import type { Static, TObject, TSchema } from 'typebox'
import type { Operation } from '../src/state/version.js'
import type { Authentication } from './authentication.js'
import { compile, type Shape } from './shape.js'

/**
 * The sinks that a contract can feed; each has its own consumer group. `postgres` and `mongo` get the result of
 * {@link Contract.mapEvent}, `feed` the result of {@link Contract.clean}. No worker reads for `interactions` yet: its
 * entries wait in the log.
 */
export type SinkName = 'postgres' | 'mongo' | 'interactions' | 'feed'

/** A kind of thing that events are about, and where the stores keep it. */
export interface Entity {
  readonly name: string
  /** Fields that the contract names. In Postgres each needs a column; that is checked at the start. */
  readonly fields: readonly string[]
  /** Left out where no Postgres sink is fed. */
  readonly postgres?: {
    /** `tributary.<table>`, read through the view `public.<table>`; its primary key is `id`. */
    readonly table: string
    /** Columns by field, where the column's name is not the field's in camel or snake case. */
    readonly columns?: Readonly<Record<string, string>>
    /** Columns that belong to the readers: events never write them. */
    readonly local?: readonly string[]
  }
  readonly mongo: {
    /** Which of the two configured databases: `state` (cxone) or `events` (cxone_events). */
    readonly database: 'state' | 'events'
    readonly collection: string
    /** Name of the view for readers, where there is one: documents that are not deleted, without bookkeeping. */
    readonly view?: string
    /** Name of a field that gets the time of writing. */
    readonly processedAt?: string
    /** For documents whose fields change over time: each has every field known so far, a missing one as null. */
    readonly evolves?: {
      /** Collection of the same database with the known fields, one document for each version of them. */
      readonly registry: string
      /** Name of a field that gets the registry's version at the time of writing. */
      readonly versionField: string
    }
  }
}

/** One event, in the form that all contracts map to. */
export interface MappedEvent {
  readonly entity: Entity
  readonly key: string
  /** `snapshot`: the whole entity · `patch`: only the fields that are present · `delete`. */
  readonly operation: Operation
  /** RFC 3339 with offset; `undefined` where the event has none: then the time of receipt is used. */
  readonly timestamp: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
}

/** What `tributary register` creates in CXone, so that CXone sends a contract's events. */
export type Registration =
  | {
      readonly kind: 'webhook'
      /** Event types that CXone sends. */
      readonly events: readonly string[]
    }
  | { readonly kind: 'data-action' }

/** One of CXone's webhooks (docs/contracts.md) as data, which edge, workers, migrations and docs use. */
export interface Contract {
  /** Its name is also the prefix of its variables: `data-action` is configured by `DATA_ACTION_SECRETS`. */
  readonly name: string
  readonly summary: string
  readonly path: string
  /** Left out where nothing needs to be registered in CXone. */
  readonly registration?: Registration
  /** How a request is authenticated; the configuration may choose another way. */
  readonly authentication: Authentication
  /** Whether a missing signature gets another answer than a wrong one. */
  readonly reportsMissingSignature: boolean
  readonly sinks: readonly SinkName[]
  /** Entities that its events are about. */
  readonly entities: readonly Entity[]
  /** Shape of a request's body; the edge answers any other body with 400. Costs about 1 us to check. */
  readonly body: Shape
  /** Name of the array in the body that holds the events; left out where the body is the event. */
  readonly list?: string
  /** The events of a body, which must have the shape. */
  events(body: unknown): readonly unknown[]
  /** Shape of a single event; another one is dead-lettered alone. The same as `body`, where the body is the event. */
  readonly event: Shape
  /** Maps an event that has the shape; left out where neither `postgres` nor `mongo` is fed. */
  readonly mapEvent?: (event: unknown) => MappedEvent | UnknownType
  /** Makes the record for the clean feed from an event that has the shape; left out where `feed` is not fed. */
  readonly clean?: (event: unknown) => CleanRecord
}

/** One event in the clean feed. */
export interface CleanRecord {
  /** The feed has only one record of each key within its retention. */
  readonly key: string
  /** Plain JSON. */
  readonly value: unknown
  /** When the event happened (RFC 3339), where the event has that. */
  readonly timestamp?: string
}

/** An event of a type that the contract does not know (yet). */
export interface UnknownType {
  readonly unknownType: string
}

/** A contract as its module defines it: its functions are typed by its own schemas. */
interface Definition<Body extends TSchema, Event extends TObject>
  extends Omit<Contract, 'body' | 'event' | 'events' | 'mapEvent' | 'clean'> {
  readonly body: Body
  readonly events: (body: Static<Body>) => readonly unknown[]
  readonly event: Event
  readonly mapEvent?: (event: Static<Event>) => MappedEvent | UnknownType
  readonly clean?: (event: Static<Event>) => CleanRecord
}

/**
 * Compiles a contract. Callers must pass to its functions only values that its shapes have accepted.
 * @throws Error where it feeds a sink, but lacks the function for it
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
