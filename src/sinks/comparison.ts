import { createHash } from 'node:crypto'
import type { Entity } from '../../schemas/contract.js'
import { includes, type State } from '../state/state.js'
import type { Change, Comparison } from './sink.js'

/**
 * Compares changes by the states that a store has.
 * @param read gets stored states by key, as `newsAmong` of {@link Comparison} throws
 */
export function compareStates(
  isAtomic: boolean,
  placeOf: (entity: Entity) => string,
  read: (entity: Entity, keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, State>>,
): Comparison<Change> {
  return {
    isAtomic,
    placeOf: ({ entity }) => placeOf(entity),
    identityOf,
    newsAmong: async (changes, signal) => {
      const [first] = changes
      if (first === undefined) return new Set()
      const keys = changes.map(({ key }) => key)
      const stored = await read(first.entity, keys, signal)
      return new Set(
        changes.filter(({ key, state }) => {
          const known = stored.get(key)
          return known === undefined || !includes(known, state)
        }),
      )
    },
  }
}

/** Versions differ between events, so they tell a change from one that was folded from other events. */
function identityOf({ entity, key, state }: Change): string {
  const hash = createHash('sha1').update(JSON.stringify([entity.name, key, state.version]))
  for (const [name, { version }] of state.fields) hash.update(JSON.stringify([name, version]))
  return hash.digest('base64')
}
