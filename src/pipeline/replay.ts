import type { RejectedError } from '../errors.js'
import type { Position } from '../state/version.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import type { Decoded } from './decoder.js'
import { type DeliverOptions, deliver } from './deliver.js'

/** How entries are brought to a sink once more. */
export interface ReplayOptions<Item> {
  readonly decode: (entry: Entry) => Decoded<Item>
  /** Left out in a dry run: nothing is written. */
  readonly delivery?: DeliverOptions<Item>
}

/** What a replay has come to so far. */
export interface ReplayTally {
  /** Entries and events that the sink is fed with, by contract. */
  readonly contracts: Map<string, { entries: number; events: number }>
  /** Events that the sink could not take, by reason. */
  readonly refused: Map<string, number>
  /** The first of those, for people. */
  readonly examples: string[]
  /** Entries that are not for the sink. */
  others: number
  /** When the first and the last entry were received, in milliseconds since 1970. */
  first: number | undefined
  last: number | undefined
}

/** So many refused events are described. */
const DESCRIBED = 10

/** A tally of nothing. */
export function newReplayTally(): ReplayTally {
  return {
    contracts: new Map(),
    refused: new Map(),
    examples: [],
    others: 0,
    first: undefined,
    last: undefined,
  }
}

/**
 * Brings entries to a sink again, beside what its workers bring: `join` makes it safe. Nothing is acknowledged, and
 * what the sink refuses is counted, not dead-lettered: it has been, when it came first.
 * @param tally is added to once all of the entries are durable
 * @returns how many events were brought
 * @throws the signal's reason once it is aborted; what is a bug
 */
export async function replayEntries<Item extends { readonly origin: Position }>(
  entries: readonly Entry[],
  { decode, delivery }: ReplayOptions<Item>,
  tally: ReplayTally,
): Promise<number> {
  const decoded = entries.map(decode)
  const items = decoded.flatMap(({ changes }) => changes)
  const refused = delivery ? await deliver(items, delivery) : new Map<Item, RejectedError>()
  for (const one of decoded) {
    note(one, tally)
    for (const error of one.rejected.values()) noteRefusal(one.entry, error, tally)
    for (const item of one.changes) {
      const error = refused.get(item)
      if (error) noteRefusal(one.entry, error, tally)
    }
  }
  return items.length
}

function note({ entry, changes, rejected }: Decoded<unknown>, tally: ReplayTally): void {
  const events = changes.length + rejected.size
  if (events === 0) {
    tally.others++
    return
  }
  const received = receivedAt(entry.id)
  tally.first = Math.min(tally.first ?? received, received)
  tally.last = Math.max(tally.last ?? received, received)
  const own = tally.contracts.get(entry.source) ?? { entries: 0, events: 0 }
  tally.contracts.set(entry.source, { entries: own.entries + 1, events: own.events + events })
}

function noteRefusal({ partition, id }: Entry, { reason, message }: RejectedError, tally: ReplayTally): void {
  tally.refused.set(reason, (tally.refused.get(reason) ?? 0) + 1)
  if (tally.examples.length < DESCRIBED) tally.examples.push(`${partition}/${id}  ${reason}: ${message}`)
}
