import type { State } from '../../src/state/state.js'
import { parseTimestamp } from '../../src/state/timestamp.js'

/**
 * What differs between a stored state and the one of the model, field by field, values and versions; `undefined`
 * where nothing does.
 * @param relational Postgres keeps texts, numbers and times by the types of its columns, and cannot tell a NULL
 *   since the base from a field that is not there
 */
export function difference(stored: State | undefined, model: State, relational: boolean): string | undefined {
  if (!stored) return 'it is not there'
  if (stored.deleted !== model.deleted) {
    return stored.deleted ? 'it is deleted, and should not be' : 'it should be deleted'
  }
  if (stored.version !== model.version) return `its base is of ${stored.version}, not of ${model.version}`
  const [own, due] = [shown(stored, relational), shown(model, relational)]
  for (const name of new Set([...own.keys(), ...due.keys()])) {
    const [is, should] = [own.get(name) ?? 'absent', due.get(name) ?? 'absent']
    if (is !== should) return `${name} is ${is}, not ${should}`
  }
  return undefined
}

/** Each field as a text of its value and version. */
function shown({ version: base, fields }: State, relational: boolean): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [name, { value, version }] of fields) {
    if (relational && value === null && version <= base) continue
    texts.set(name, `${relational ? asColumn(value) : canonical(value)} of ${version}`)
  }
  return texts
}

/** Columns have types, and events write numbers as texts now and then. */
function asColumn(value: unknown): string {
  if (typeof value !== 'string') return canonical(value)
  const micros = parseTimestamp(value)
  return micros === undefined ? value : `time ${micros}`
}

/** JSON in which the order of an object's fields does not show. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, one) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
}
