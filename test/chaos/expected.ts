import type { CleanRecord, Contract, Entity, MappedEvent, SinkName } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import type { Reason } from '../../src/errors.js'
import { parseTimestamp } from '../../src/state/timestamp.js'
import type { Entry } from '../../src/stream/entry.js'
import type { Told } from '../support/model.js'

/** The sinks that somebody reads for. */
export const SINKS = ['postgres', 'mongo', 'feed'] as const satisfies readonly SinkName[]
export type Sink = (typeof SINKS)[number]

/** What one event must become in one sink. */
export type Fate =
  | { readonly index: number; readonly change: Change }
  | { readonly index: number; readonly record: CleanRecord }
  /** `unless`: what the store would refuse need not be written where something newer has come first. */
  | { readonly index: number; readonly reason: Reason; readonly unless?: Change }

/** What an event tells of one entity. */
export interface Change {
  readonly told: Told
  readonly entity: Entity
  readonly key: string
}

const BY_NAME = new Map(CONTRACTS.map((contract) => [contract.name, contract]))

/**
 * What must become of each event of an entry in a sink, found by the simplest means: the contract's own words
 * for shape and meaning, and nothing of the pipeline. For what the sample traffic contains.
 * @throws Error for an entry that the traffic never sends
 */
export function fatesOf(entry: Entry, sink: Sink, maxClockSkewMs: number): Fate[] {
  const contract = BY_NAME.get(entry.source)
  if (!contract) throw new Error(`The log has an entry of "${entry.source}"`)
  if (!contract.sinks.includes(sink)) return []
  return contract
    .events(JSON.parse(entry.body.toString()))
    .map((event, index) => fateOf(contract, shaped(contract, event), index, entry, sink, maxClockSkewMs))
}

function fateOf(
  contract: Contract,
  event: unknown,
  index: number,
  entry: Entry,
  sink: Sink,
  maxClockSkewMs: number,
): Fate {
  if (event === undefined) return { index, reason: 'invalid_event' }
  if (sink === 'feed') {
    const record = contract.clean?.(event)
    return record ? { index, record } : { index, reason: 'invalid_event' }
  }
  const fact = contract.mapEvent?.(event)
  if (!fact || 'unknownType' in fact) return { index, reason: 'unknown_type' }
  const receivedMs = Number(entry.id.split('-')[0])
  const timestamp = fact.timestamp === undefined ? receivedMs * 1_000 : parseTimestamp(fact.timestamp)
  if (timestamp === undefined) return { index, reason: 'invalid_event' }
  if (timestamp > (receivedMs + maxClockSkewMs) * 1_000) return { index, reason: 'future_timestamp' }
  const at = { partition: entry.partition, entryId: entry.id, index }
  const told = { timestamp, operation: fact.operation, at, values: Object.entries(fact.fields) }
  const change = { told, entity: fact.entity, key: fact.key }
  if (sink === 'postgres' && hasNul(fact)) return { index, reason: 'refused_by_store', unless: change }
  return { index, change }
}

/** The event with numbers for numbers in texts, where its contract allows that; `undefined`: it is not valid. */
function shaped({ event: shape }: Contract, event: unknown): unknown {
  if (shape.matches(event)) return event
  const coerced = shape.coerce(event)
  return shape.matches(coerced) ? coerced : undefined
}

/** The one thing in the traffic that Postgres cannot store. */
function hasNul({ fields }: MappedEvent): boolean {
  return JSON.stringify(fields).includes('\\u0000')
}
