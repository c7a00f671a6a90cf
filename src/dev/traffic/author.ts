import type { Contract, SinkName } from '../../../schemas/contract.js'
import type { Reason } from '../../errors.js'
import type { Clock } from './history.js'
import type { Random } from './random.js'
import type { Vocabulary } from './vocabulary.js'

/** What all authors of a run share. */
export interface World {
  readonly random: Random
  readonly clock: Clock
  readonly words: Vocabulary
  /** Part of every key, so that keys of runs with different seeds differ. */
  readonly run: string
  /** Number of keys of each entity. */
  readonly keys: number
}

/** How a sample goes wrong. */
export type Fault =
  | 'wrong signature'
  | 'no signature'
  | 'malformed JSON'
  | 'missing id'
  | 'wrong fields'
  | 'no events array'
  | 'unknown event type'
  | 'timestamp in the future'
  | 'bad event in the array'
  | 'NUL in a text'

/** A body that the edge must refuse, or that some sink must dead-letter. */
export interface Spoiled {
  readonly fault: Fault
  readonly body: unknown
  /** Left out where the edge must refuse the request. */
  readonly letter?: ExpectedDeadLetter
}

/** The one dead letter that each of these sinks must write for an accepted request. */
export interface ExpectedDeadLetter {
  readonly reason: Reason
  readonly sinks: readonly SinkName[]
}

/** Writes the bodies of one contract. */
export interface Author {
  readonly contract: Contract
  /** Makes the next body, in the order of its entities' histories. */
  write(): unknown
  /** Makes a body with events minutes older than the newest of their keys; `undefined` where no key has an event. */
  writeLate(): unknown
  /** One function for each way to go wrong. */
  readonly spoil: readonly (() => Spoiled)[]
}
