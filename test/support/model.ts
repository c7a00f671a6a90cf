import fc from 'fast-check'
import { patch, type State, snapshot, tombstone, UNKNOWN } from '../../src/state/state.js'
import { makeVersion, type Operation, type Position, type Version } from '../../src/state/version.js'

/** What one event says of one entity, as a test makes it up. */
export interface Told {
  /** Microseconds since 1970. */
  readonly timestamp: number
  readonly operation: Operation
  readonly at: Position
  readonly values: readonly (readonly [string, unknown])[]
}

/** The version that the product gives it. */
export function versionOf({ timestamp, operation, at }: Told): Version {
  return makeVersion(timestamp, operation, at)
}

/** The state that the product makes of it. */
export function stateOf(told: Told): State {
  const version = versionOf(told)
  if (told.operation === 'delete') return tombstone(version)
  return (told.operation === 'snapshot' ? snapshot : patch)(version, told.values)
}

/**
 * The reference model: what must be known after a history, found by the simplest means: sort it, then let each
 * event do what it says.
 */
export function replay(history: readonly Told[]): State {
  const fields = new Map<string, { value: unknown; version: Version }>()
  let base: Pick<State, 'version' | 'deleted'> = UNKNOWN
  for (const told of [...history].sort(semantically)) {
    const version = versionOf(told)
    if (told.operation !== 'patch') {
      base = { version, deleted: told.operation === 'delete' }
      fields.clear()
    }
    if (told.operation === 'delete') continue
    for (const [name, value] of told.values) fields.set(name, { value, version })
  }
  return { ...base, fields }
}

const RANK = { snapshot: 1, patch: 2, delete: 3 }

/** The order of two events by what they mean, number by number. */
export function semantically(a: Told, b: Told): number {
  const order = (told: Told) => [
    BigInt(told.timestamp),
    BigInt(RANK[told.operation]),
    ...told.at.entryId.split('-').map(BigInt),
    BigInt(told.at.partition),
    BigInt(told.at.index),
  ]
  const right = order(b)
  for (const [place, left] of order(a).entries()) {
    const other = right[place] ?? 0n
    if (left !== other) return left < other ? -1 : 1
  }
  return 0
}

/** A state as plain data in a fixed order, to compare: a Map's order means nothing. */
export function plain({ version, deleted, fields }: State) {
  const sorted = [...fields].sort(([a], [b]) => (a < b ? -1 : 1))
  return { version, deleted, fields: sorted.map(([name, field]) => [name, field.version, field.value]) }
}

const NAMES = ['a', 'b', 'c', '__proto__', 'constructor']

const values = fc.uniqueArray(
  fc.tuple(fc.constantFrom(...NAMES), fc.oneof(fc.nat(9), fc.constant(null), fc.constant({ x: [1] }))),
  { selector: ([name]) => name, maxLength: 4 },
)

const position: fc.Arbitrary<Position> = fc.record({
  partition: fc.constantFrom(0, 1, 9, 10, 255),
  entryId: fc
    .tuple(fc.constantFrom('1763780760123', '1763780760124'), fc.constantFrom(0, 1, 9, 10, 99, 100))
    .map((parts) => parts.join('-')),
  index: fc.constantFrom(0, 1, 9, 10, 11, 100),
})

/** An event; timestamps, places and names collide often. */
export const told: fc.Arbitrary<Told> = fc.record({
  timestamp: fc.constantFrom(0, 1_763_780_760_123_456, 1_763_780_760_123_457, Number.MAX_SAFE_INTEGER),
  operation: fc.constantFrom<Operation>('snapshot', 'patch', 'delete'),
  at: position,
  values,
})

/** Events of one entity, each at a place of its own, as in the log. */
export const history = fc.uniqueArray(told, { selector: ({ at }) => JSON.stringify(at), maxLength: 12 })
