import type { ObjectId } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import { type Field, newerFields, type State } from '../../state/state.js'
import { NO_VERSION, type Version } from '../../state/version.js'
import { fromBson, toBson } from './numbers.js'

/** A State as MongoDB stores it: its fields at the top level, for readers; our bookkeeping in `_tributary`. */
export interface StateDocument {
  _id: string
  /** Missing in a document that Tributary did not write; such a document is older than every event. */
  _tributary?: Bookkeeping
  [field: string]: unknown
}

/** Data for Tributary alone: readers can ignore it. */
interface Bookkeeping {
  version: Version
  /** New with every write, so that a worker notices another worker's write. Contains the time of the write. */
  revision: ObjectId
  /** Fields newer than the base. An array, because not every server stores every field name. */
  fieldVersions?: { name: string; version: Version }[]
  /** When the delete was written: the age of a tombstone, which decides when it is purged, counts from then. */
  deletedAt?: Date
  /** Only for an entity that evolves: fields that an event set to null. Any other null means a missing field. */
  nulls?: string[]
  /** Fields whose names cannot be used at the top level. */
  reserved?: { name: string; value: unknown }[]
}

/** A State that was read, and its revision, by which a write checks that it has not changed since. */
export interface Stored {
  readonly state: State
  /** `null` where Tributary did not write the document. */
  readonly revision: ObjectId | null
}

/** All fields that documents of an evolving entity have had, as of one version of its registry. */
export interface KnownFields {
  /** Counts from 1; 0 before the first version. */
  readonly version: number
  readonly names: ReadonlySet<string>
}

/**
 * Whether a field's name is used by us, or has a special meaning for the driver or some server. The answer is the
 * same for every server, so that a database can be moved to another one.
 */
export function isReserved(name: string, { mongo }: Entity): boolean {
  return (
    name === '' ||
    name === '_id' ||
    name === '_tributary' ||
    name === '_bsontype' ||
    name === mongo.processedAt ||
    name === mongo.evolves?.versionField ||
    name.startsWith('$') ||
    name.includes('.')
  )
}

/**
 * The document of a State.
 * @param known only for an entity that evolves: known fields that the State lacks are stored as null
 */
export function toDocument(
  entity: Entity,
  key: string,
  state: State,
  revision: ObjectId,
  now: Date,
  known?: KnownFields,
): StateDocument {
  const { processedAt, evolves } = entity.mongo
  const reserved: { name: string; value: unknown }[] = []
  // In an object without a prototype, `__proto__` is an ordinary name.
  const document: StateDocument = Object.assign(Object.create(null), { _id: key })
  for (const [name, { value }] of state.fields) {
    if (isReserved(name, entity)) reserved.push({ name, value: toBson(value) })
    else document[name] = toBson(value)
  }
  const nulls = evolves && known ? fill(document, known) : []
  if (evolves && known) document[evolves.versionField] = known.version
  const newer = newerFields(state)
  const bookkeeping: Bookkeeping = { version: state.version, revision }
  if (newer.size > 0) bookkeeping.fieldVersions = Array.from(newer, ([name, version]) => ({ name, version }))
  if (state.deleted) bookkeeping.deletedAt = now
  if (nulls.length > 0) bookkeeping.nulls = nulls
  if (reserved.length > 0) bookkeeping.reserved = reserved
  document._tributary = bookkeeping
  if (processedAt !== undefined) document[processedAt] = now
  return document
}

/**
 * Adds the known fields that are missing, as null.
 * @returns names of the fields that an event set to null
 */
function fill(document: StateDocument, { names }: KnownFields): string[] {
  const nulls = Object.keys(document).filter((name) => document[name] === null)
  for (const name of names) document[name] ??= null
  return nulls
}

/** The State of a document; Tributary need not have written it. */
export function fromDocument(entity: Entity, document: StateDocument): Stored {
  const { processedAt, evolves } = entity.mongo
  const { _id, _tributary: bookkeeping, ...values } = document
  const version = bookkeeping?.version ?? NO_VERSION
  const newer = new Map(bookkeeping?.fieldVersions?.map((field) => [field.name, field.version]))
  const fields = new Map<string, Field>()
  const add = (name: string, value: unknown) =>
    fields.set(name, { value: fromBson(value), version: newer.get(name) ?? version })
  const isFilled =
    evolves !== undefined && bookkeeping !== undefined && Object.hasOwn(values, evolves.versionField)
  const nulls = new Set(bookkeeping?.nulls)
  for (const name of Object.keys(values)) {
    if (name === processedAt || name === evolves?.versionField) continue
    if (isFilled && values[name] === null && !nulls.has(name)) continue
    add(name, values[name])
  }
  for (const { name, value } of bookkeeping?.reserved ?? []) add(name, value)
  const deleted = bookkeeping?.deletedAt !== undefined
  return { state: { version, deleted, fields }, revision: bookkeeping?.revision ?? null }
}
