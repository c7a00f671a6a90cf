import type { Static, TObject, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Operation } from '../src/state/version.js'

/** The sinks that a contract can feed; each is a consumer group of its own. */
export type SinkName = 'postgres' | 'mongo'

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
  }
}

/** What one event states, in the words that all contracts share. */
export interface Fact {
  readonly entity: Entity
  readonly key: string
  /** `snapshot`: the whole entity · `patch`: only the fields that are present · `delete`. */
  readonly operation: Operation
  /** RFC 3339 with offset; `undefined` where the event has none: then the time of receipt counts. */
  readonly timestamp: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
}

/** How a request proves where it comes from: HMAC-SHA256 over the raw body, in a header. */
export interface Signature {
  /** As people write it; compared without regard to case. */
  readonly header: string
  readonly encoding: 'base64' | 'hex'
}

/** One of CXone's webhooks (CONTRACTS.md) as data, from which edge, workers, migrations and docs derive. */
export interface Contract {
  /** Also the prefix of its variables: `data-action` is configured by `DATA_ACTION_SECRETS`. */
  readonly name: string
  readonly summary: string
  readonly path: string
  readonly signature: Signature
  readonly sinks: readonly SinkName[]
  /** What its events speak of. */
  readonly entities: readonly Entity[]
  /** What a request must look like; what is not is answered 400. Costs about 1 us to check. */
  readonly body: Shape
  /** The events of a request's body that has the shape. */
  events(body: unknown): readonly unknown[]
  /** What a single event must look like; one that does not is dead-lettered alone. */
  readonly event: Shape
  /** What an event that has the shape states. */
  interpret(event: unknown): Fact | UnknownType
}

/** An event of a type that the contract does not know (yet). */
export interface UnknownType {
  readonly unknownType: string
}

/** A compiled TypeBox schema: a fast yes or no, and the reasons where they are wanted. */
export interface Shape {
  readonly schema: TSchema
  matches(value: unknown): boolean
  /** Every mismatch as `<JSON pointer> <message>`, joined by `; `. */
  explain(value: unknown): string
}

/** A contract as its module writes it: typed by its own schemas. */
interface Definition<Body extends TObject, Event extends TObject>
  extends Omit<Contract, 'body' | 'event' | 'events' | 'interpret'> {
  readonly body: Body
  readonly events: (body: Static<Body>) => readonly unknown[]
  readonly event: Event
  readonly interpret: (event: Static<Event>) => Fact | UnknownType
}

/** Compiles a contract. Its functions are only ever called with what its shapes have accepted. */
export function defineContract<Body extends TObject, Event extends TObject>(
  definition: Definition<Body, Event>,
): Contract {
  return {
    ...definition,
    body: compile(definition.body),
    events: (body) => definition.events(body as Static<Body>),
    event: compile(definition.event),
    interpret: (event) => definition.interpret(event as Static<Event>),
  }
}

function compile(schema: TSchema): Shape {
  const validator = Compile(schema)
  return {
    schema,
    matches: (value) => validator.Check(value),
    explain: (value) =>
      validator
        .Errors(value)
        .map((error) => `${error.instancePath || '/'} ${error.message}`)
        .join('; '),
  }
}
