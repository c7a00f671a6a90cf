import type { RejectedError } from '../errors.js'
import type { Position } from '../state/version.js'
import { type Entry, receivedAt } from '../stream/entry.js'
import type { Decoded } from './decode.js'
import { type DeliverOptions, deliver } from './deliver.js'

/** How entries are written to a sink again. */
export interface ReplayOptions<Item> {
  readonly decode: (entry: Entry) => Decoded<Item>
  /** Left out in a dry run: nothing is written. */
  readonly delivery?: DeliverOptions<Item>
}

/** The counts of a replay so far. */
export interface ReplayTally {
  /** Entries and events for the sink, by contract. */
  readonly contracts: Map<string, { entries: number; events: number }>
  /** Events that the sink could not take, by reason. */
  readonly refused: Map<string, number>
  /** Descriptions of the first refused events, for people. */
  readonly examples: string[]
  /** Entries that are not for the sink. */
  others: number
  /** When the first and the last entry were received, in milliseconds since 1970. */
  first: number | undefined
  last: number | undefined
}

/** Maximum number of refused events that are described. */
const DESCRIBED = 10

/** An empty tally. */
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
 * Writes entries to a sink again while its workers may run: `join` makes it safe. Nothing is acknowledged. Events that the
 * sink refuses are counted and not dead-lettered, because they were dead-lettered at their first delivery.
 * @param tally updated once all of the entries are durable
 * @returns how many events were written
 * @throws the signal's reason once it is aborted; what is a bug
 */
export async function replayEntries<Item extends { readonly origin: Position }>(
  entries: readonly Entry[],
  { decode, delivery }: ReplayOptions<Item>,
  tally: ReplayTally,
): Promise<number> {
  const decoded = entries.map(decode)
  const items = decoded.flatMap(({ changes }) => changes)
  const refused = delivery ? await deliverAll(items, delivery) : new Map<Item, RejectedError>()
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

/** Nothing comes again in a replay: what is postponed counts as refused, or is tried again where it waits for a lock. */
async function deliverAll<Item>(
  items: readonly Item[],
  delivery: DeliverOptions<Item>,
): Promise<Map<Item, RejectedError>> {
  const { refused, postponed } = await deliver(items, delivery)
  const open: Item[] = []
  for (const [item, { suspicion }] of postponed) {
    if (suspicion?.refusal) refused.set(item, suspicion.refusal)
    else open.push(item)
  }
  if (open.length === 0) return refused
  return new Map([...refused, ...(await deliverAll(open, delivery))])
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
