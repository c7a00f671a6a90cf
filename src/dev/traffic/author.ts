import type { Contract, SinkName } from '../../../schemas/contract.js'
import type { Reason } from '../../errors.js'
import type { Clock } from './history.js'
import type { Random } from './random.js'
import type { Vocabulary } from './vocabulary.js'

/** What all sample requests of a run have in common. */
export interface World {
  readonly random: Random
  readonly clock: Clock
  readonly words: Vocabulary
  /** Makes the keys of this run differ from those of every other seed. */
  readonly run: string
  /** Keys of each entity. */
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

/** A body that its contract knows, but that cannot be delivered everywhere. */
export interface Spoiled {
  readonly fault: Fault
  readonly body: unknown
  /** Left out where the edge has to refuse the request. */
  readonly letter?: Letter
}

/** The one dead letter that each of the sinks must make of a request that was accepted. */
export interface Letter {
  readonly reason: Reason
  readonly sinks: readonly SinkName[]
}

/** Writes the bodies of one contract. */
export interface Author {
  readonly contract: Contract
  /** The next body in the lives of its entities. */
  write(): unknown
  /** A body whose events are minutes older than what was told of their keys; `undefined` where nothing was. */
  writeLate(): unknown
  /** One function for each way to go wrong. */
  readonly spoil: readonly (() => Spoiled)[]
}
