import type { ObjectId } from 'mongodb'
import type { Entity } from '../../../schemas/contract.js'
import { type Field, newerFields, type State } from '../../state/state.js'
import { NO_VERSION, type Version } from '../../state/version.js'

/** A State as it is stored: its fields at the top level, for readers, and bookkeeping apart from them. */
export interface StateDocument {
  _id: string
  /** Missing in a document that was there before us; such a one is older than every event. */
  _tributary?: Bookkeeping
  [field: string]: unknown
}

/** What a reader need not care for. */
interface Bookkeeping {
  version: Version
  /** A new one with every write, to notice another worker's. It tells the time of the write, too. */
  revision: ObjectId
  /** Fields newer than the base. An array, because not every server stores every field name. */
  fieldVersions?: { name: string; version: Version }[]
  /** When the delete was written: a tombstone waits from then on to be purged. */
  deletedAt?: Date
  /** Where the entity evolves: fields that an event set to null; any other null stands for a missing field. */
  nulls?: string[]
  /** Fields that cannot stand at the top level under their own names. */
  reserved?: { name: string; value: unknown }[]
}

/** A State as it was found, and what tells whether it is still the same. */
export interface Stored {
  readonly state: State
  /** `null` where the document was there before us. */
  readonly revision: ObjectId | null
}

/** The fields that documents of an evolving entity have had, as of one version of its registry. */
export interface KnownFields {
  /** From 1; 0 before the first. */
  readonly version: number
  readonly names: ReadonlySet<string>
}

/**
 * Whether a field's name is taken, or is one that some servers or the driver give a meaning to. The same for
 * every server, so that a database can be moved.
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
 * @param known for an entity that evolves: what of it the State lacks is null
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
  // Without a prototype `__proto__` is a name like any other.
  const document: StateDocument = Object.assign(Object.create(null), { _id: key })
  for (const [name, { value }] of state.fields) {
    if (isReserved(name, entity)) reserved.push({ name, value })
    else document[name] = value
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
 * @returns names of the fields that were null before
 */
function fill(document: StateDocument, { names }: KnownFields): string[] {
  const nulls = Object.keys(document).filter((name) => document[name] === null)
  for (const name of names) document[name] ??= null
  return nulls
}

/** The State of a document, whoever wrote it. */
export function fromDocument(entity: Entity, document: StateDocument): Stored {
  const { processedAt, evolves } = entity.mongo
  const { _id, _tributary: bookkeeping, ...values } = document
  const version = bookkeeping?.version ?? NO_VERSION
  const newer = new Map(bookkeeping?.fieldVersions?.map((field) => [field.name, field.version]))
  const fields = new Map<string, Field>()
  const add = (name: string, value: unknown) =>
    fields.set(name, { value, version: newer.get(name) ?? version })
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
