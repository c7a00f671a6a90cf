import type { Entity } from '../../schemas/contract.js'
import type { State } from '../../src/state/state.js'
import { replay, type Told } from '../support/model.js'
import { canonical, difference } from './comparison.js'
import type { Due } from './due.js'
import type { Holding, KeptLetter, KeptRecord } from './evidence.js'
import type { Change, Sink } from './expected.js'

/** Is told what is not as it should be. */
export type Find = (kind: string, what: string) => void

/** Each event that has to be refused has one letter, with its reason; no other has any. @returns all by place */
export function judgeLetters(
  sink: Sink,
  letters: readonly KeptLetter[],
  { fates }: Due,
  isStored: (change: Change | undefined) => boolean,
  tell: Find,
): Map<string, KeptLetter[]> {
  const due = new Map(
    Array.from(fates, ([ref, all]) =>
      all.flatMap((fate) => ('reason' in fate ? [[placeOf(ref, fate.index), fate] as const] : [])),
    ).flat(),
  )
  const kept = groupBy(
    letters.filter((letter) => letter.sink === sink),
    ({ entry, index }) => placeOf(entry, index ?? 0),
  )
  for (const [place, all] of kept) {
    if (all.length > 1) tell('doubled', `${place} has ${all.length} letters`)
    const right = due.get(place)?.reason ?? 'none'
    for (const { reason } of all) {
      if (reason !== right) tell('letter', `${place} has a letter "${reason}"; true is ${right}`)
    }
  }
  for (const [place, { reason, unless }] of due) {
    if (!kept.has(place) && !isStored(unless)) tell('missing', `${place} has no letter "${reason}"`)
  }
  return kept
}

/** The feed has one record of each key, with a value that was sent. */
export function judgeFeed(
  kept: ReadonlyMap<string, readonly KeptRecord[]>,
  { records }: Due,
  tell: Find,
): void {
  for (const [key, own] of kept) {
    if (own.length > 1) tell('doubled', `${key} is ${own.length} times in the feed`)
    const values = records.get(key)
    for (const { value, entry } of own) {
      if (!values?.has(canonical(JSON.parse(value))))
        tell('different', `the record ${key} of ${entry}: ${value}`)
    }
  }
  for (const key of records.keys()) if (!kept.has(key)) tell('missing', `${key} is not in the feed`)
}

/** The store holds what the model holds: the same keys, fields and versions, and its readers see the living. */
export function judgeStore(
  holdings: ReadonlyMap<Entity, Holding>,
  { histories }: Due,
  relational: boolean,
  tell: Find,
): void {
  for (const [entity, { states, visible }] of holdings) {
    const byKey = histories.get(entity) ?? new Map<string, Told[]>()
    const models = new Map(Array.from(byKey, ([key, history]) => [key, replay(history)]))
    for (const what of differences(states, models, relational)) tell('different', `${entity.name} ${what}`)
    const living = [...models.values()].filter(({ deleted }) => !deleted).length
    if (visible !== living) tell('different', `readers see ${visible} ${entity.name}, not ${living}`)
  }
}

function differences(
  states: ReadonlyMap<string, State>,
  models: ReadonlyMap<string, State>,
  relational: boolean,
): string[] {
  const unmapped = [...states.keys()].filter((key) => !models.has(key))
  const wrong = Array.from(models, ([key, model]) => {
    const differs = difference(states.get(key), model, relational)
    return differs === undefined ? [] : [`${key}: ${differs}`]
  })
  return [...wrong.flat(), ...unmapped.map((key) => `${key} is there, and no event was sent about it`)]
}

/** Names an event. */
export function placeOf(ref: string, index: number): string {
  return `${ref} [${index}]`
}

/** Items by a key, in their order. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}
