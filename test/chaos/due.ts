import type { Entity } from '../../schemas/contract.js'
import type { Entry } from '../../src/stream/entry.js'
import type { Told } from '../support/model.js'
import { canonical } from './comparison.js'
import { type Fate, fatesOf, type Sink } from './expected.js'

/** What one sink must hold, of all entries that the log ever had. */
export interface Due {
  readonly fates: Map<string, readonly Fate[]>
  readonly histories: Map<Entity, Map<string, Told[]>>
  /** Values by key, any of which may be the feed's. */
  readonly records: Map<string, Set<string>>
}

/** Sorts all entries by what has to become of their events in a sink. */
export function dueOf(sink: Sink, observed: ReadonlyMap<string, Entry>, maxClockSkewMs: number): Due {
  const due: Due = { fates: new Map(), histories: new Map(), records: new Map() }
  for (const [ref, entry] of observed) {
    const fates = fatesOf(entry, sink, maxClockSkewMs)
    due.fates.set(ref, fates)
    for (const fate of fates) note(due, fate)
  }
  return due
}

function note({ histories, records }: Due, fate: Fate): void {
  if ('record' in fate) {
    const { key, value } = fate.record
    records.set(key, (records.get(key) ?? new Set()).add(canonical(value)))
  } else if ('change' in fate) {
    const { entity, key, told } = fate.change
    const byKey = histories.get(entity) ?? new Map<string, Told[]>()
    histories.set(entity, byKey)
    const history = byKey.get(key) ?? []
    byKey.set(key, history)
    history.push(told)
  }
}
