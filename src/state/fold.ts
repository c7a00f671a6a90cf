import { join, type State } from './state.js'

/** A change of one entity. */
interface Keyed {
  readonly entity: object
  readonly key: string
  readonly state: State
}

/**
 * Joins a batch's changes of the same entity, so that each key is written once.
 * @returns for every entity one change with the joined state, and the changes that it was made of, in the order of
 * first appearance
 */
export function fold<T extends Keyed>(changes: Iterable<T>): Map<T, readonly T[]> {
  const byEntity = new Map<object, Map<string, T[]>>()
  for (const change of changes) {
    const byKey = byEntity.get(change.entity) ?? new Map<string, T[]>()
    byEntity.set(change.entity, byKey)
    const known = byKey.get(change.key)
    if (known) known.push(change)
    else byKey.set(change.key, [change])
  }
  const folded = new Map<T, readonly T[]>()
  for (const byKey of byEntity.values()) {
    for (const changes of byKey.values() as Iterable<[T, ...T[]]>) {
      const [first] = changes
      if (changes.length === 1) folded.set(first, changes)
      else folded.set({ ...first, state: changes.map(({ state }) => state).reduce(join) }, changes)
    }
  }
  return folded
}
