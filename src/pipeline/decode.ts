import { isUtf8 } from 'node:buffer'
import type { Contract, Fact, SinkName } from '../../schemas/contract.js'
import { RejectedError } from '../errors.js'
import type { Change } from '../sinks/sink.js'
import { patch, type State, snapshot, tombstone } from '../state/state.js'
import { parseTimestamp } from '../state/timestamp.js'
import { makeVersion, type Position, type Version } from '../state/version.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import { isUnicode } from './unicode.js'

/** What an entry means for one sink. */
export interface Decoded {
  readonly entry: Entry
  readonly changes: readonly Change[]
  /** Events that no sink can take, by their index; -1 is the request as a whole. */
  readonly rejected: ReadonlyMap<number, RejectedError>
  /** The events' values, for letters about single ones. */
  readonly events: readonly unknown[]
}

/** What decoding depends on. */
export interface DecodeOptions {
  readonly contracts: readonly Contract[]
  readonly sink: SinkName
  /** How far in the future an event may lie, in ms: further on it would freeze its row. */
  readonly maxClockSkewMs: number
}

/** Index of a rejection that concerns the whole request. */
export const WHOLE_REQUEST = -1

/**
 * Makes the function that turns an entry into changes. It is pure but for the clock, and never throws for what
 * an entry contains: one bad event of an array does not harm its neighbours.
 * Costs one JSON.parse and two compiled checks an entry, about 5 us for 700 B.
 */
export function createDecoder({ contracts, sink, maxClockSkewMs }: DecodeOptions): (entry: Entry) => Decoded {
  const byName = new Map(contracts.map((contract) => [contract.name, contract]))

  return (entry) => {
    const contract = byName.get(entry.source)
    if (contract && !contract.sinks.includes(sink)) return nothing(entry)
    try {
      if (!contract)
        throw new RejectedError('unknown_type', `This version knows no contract "${entry.source}"`)
      const text = readText(entry.body)
      const events = readEvents(contract, text)
      // Lone surrogates can only come from escapes: without one in the text no string has to be looked at.
      const suspect = /\\u[dD][89a-fA-F]/.test(text)
      return readChanges(contract, entry, events, suspect, Date.now() + maxClockSkewMs)
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error
      return { ...nothing(entry), rejected: new Map([[WHOLE_REQUEST, error]]) }
    }
  }
}

function nothing(entry: Entry): Decoded {
  return { entry, changes: [], rejected: new Map(), events: [] }
}

function readText(body: Buffer): string {
  if (!isUtf8(body)) throw new RejectedError('malformed_json', 'The body is not UTF-8')
  return body.toString()
}

function readEvents(contract: Contract, text: string): readonly unknown[] {
  const body = parseJson(text)
  if (!contract.body.matches(body)) throw new RejectedError('invalid_body', contract.body.explain(body))
  return contract.events(body)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RejectedError('malformed_json', String(error))
  }
}

function readChanges(
  contract: Contract,
  entry: Entry,
  events: readonly unknown[],
  suspect: boolean,
  latestMs: number,
): Decoded {
  const { partition, id: entryId } = entry
  const changes: Change[] = []
  const rejected = new Map<number, RejectedError>()
  for (const [index, event] of events.entries()) {
    try {
      const origin: Position = { partition, entryId, index }
      if (suspect && !isUnicode(event)) {
        throw new RejectedError(
          'invalid_event',
          'A string holds half a surrogate pair, which is no Unicode text',
        )
      }
      changes.push(readChange(contract, event, origin, latestMs))
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error
      rejected.set(index, error)
    }
  }
  return { entry, changes, rejected, events }
}

/** @throws RejectedError where the event cannot be understood */
function readChange(contract: Contract, event: unknown, origin: Position, latestMs: number): Change {
  if (!contract.event.matches(event)) throw new RejectedError('invalid_event', contract.event.explain(event))
  const fact = contract.interpret(event)
  if ('unknownType' in fact) {
    const message = `${contract.name} knows no event type "${fact.unknownType}". Deploy a version that does, then redrive`
    throw new RejectedError('unknown_type', message)
  }
  const micros = readTimestamp(fact, origin, latestMs)
  const state = toState(fact, makeVersion(micros, fact.operation, origin))
  return { entity: fact.entity, key: fact.key, state, origin }
}

function readTimestamp({ timestamp }: Fact, { entryId }: Position, latestMs: number): number {
  if (timestamp === undefined) return receivedAt(entryId) * 1_000
  const micros = parseTimestamp(timestamp)
  if (micros === undefined || micros < 0) {
    throw new RejectedError('invalid_event', `"${timestamp}" is no RFC 3339 timestamp since 1970`)
  }
  if (micros > latestMs * 1_000) {
    throw new RejectedError(
      'future_timestamp',
      `${timestamp} lies in the future: is the sender's clock right?`,
    )
  }
  return micros
}

function toState({ operation, fields }: Fact, version: Version): State {
  if (operation === 'delete') return tombstone(version)
  const values = Object.entries(fields)
  return operation === 'snapshot' ? snapshot(version, values) : patch(version, values)
}
