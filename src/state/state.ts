import { NO_VERSION, type Version } from './version.js'

/** A field's value, and the version of the event that set it. */
export interface Field {
  readonly value: unknown
  readonly version: Version
}

/**
 * The known state of one entity: a join-semilattice (docs/decisions/0005-state-is-a-join.md). The base is the newest
 * snapshot or delete; beside it stand only fields that are as new as the base or newer. A field that is missing here
 * is absent since the base.
 */
export interface State {
  /** The base's version; {@link NO_VERSION} while only patches have come. */
  readonly version: Version
  /** Whether the base is a delete: a tombstone, which only a newer snapshot lifts. */
  readonly deleted: boolean
  /** A Map, because an event may name a field `__proto__`. */
  readonly fields: ReadonlyMap<string, Field>
}

/** The empty state, the neutral element of {@link join}. */
export const UNKNOWN: State = { version: NO_VERSION, deleted: false, fields: new Map() }

/** The whole entity as of `version`: fields that are not named here are gone. */
export function snapshot(version: Version, values: Iterable<readonly [string, unknown]>): State {
  return { version, deleted: false, fields: fieldsAt(version, values) }
}

/** Some fields as of `version`; the others stay unknown. */
export function patch(version: Version, values: Iterable<readonly [string, unknown]>): State {
  return { version: NO_VERSION, deleted: false, fields: fieldsAt(version, values) }
}

/** The entity is gone as of `version`. */
export function tombstone(version: Version): State {
  return { version, deleted: true, fields: new Map() }
}

function fieldsAt(version: Version, values: Iterable<readonly [string, unknown]>): Map<string, Field> {
  const fields = new Map<string, Field>()
  for (const [name, value] of values) fields.set(name, { value, version })
  return fields
}

/**
 * All that two states know together: commutative, associative, idempotent, so order, duplicates and the cut of
 * batches do not matter. The newer base wins, and every field at its newest version unless the base is newer.
 * Costs one Map of the fields that remain.
 */
export function join(a: State, b: State): State {
  const base = a.version >= b.version ? a : b
  const fields = new Map<string, Field>()
  for (const side of [a, b]) {
    for (const [name, field] of side.fields) {
      if (field.version < base.version) continue
      const rival = fields.get(name)
      if (rival === undefined || rival.version < field.version) fields.set(name, field)
    }
  }
  return { version: base.version, deleted: base.deleted, fields }
}

/** Whether `known` already holds all that `news` says: `join(known, news)` would change nothing. */
export function includes(known: State, news: State): boolean {
  if (news.version > known.version) return false
  for (const [name, field] of news.fields) {
    if (field.version > fieldVersion(known, name)) return false
  }
  return true
}

/** The version that a field's present value, or its absence, dates from. */
function fieldVersion(state: State, name: string): Version {
  return state.fields.get(name)?.version ?? state.version
}

/** The fields newer than the base with their versions: all that has to be stored beside the base's version. */
export function newerFields(state: State): Map<string, Version> {
  const newer = new Map<string, Version>()
  for (const [name, field] of state.fields) {
    if (field.version > state.version) newer.set(name, field.version)
  }
  return newer
}
