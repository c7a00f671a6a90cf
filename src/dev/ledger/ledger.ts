import type { SinkName } from '../../../schemas/contract.js'
import type { Limits } from '../../pipeline/decode.js'
import { browse } from '../../stream/dead-letters/browse.js'
import { type Entry, fromReply, type RawEntry } from '../../stream/entry.js'
import type { PartitionKeys } from '../../stream/keys.js'
import type { RedisClient } from '../../stream/redis.js'
import { readUnacknowledged } from './unacknowledged.js'
import { type Examined, feedWitness, type Store, stateWitness } from './witness.js'

/** Counts where the accepted events of one sink are: accepted = delivered + dead-lettered + pending, none lost. */
export interface SinkLedger {
  readonly sink: SinkName
  /** Events of acknowledged requests that must reach the sink. */
  accepted: number
  /** Events that the sink has: the stored state includes the whole event, or the feed has its key. */
  delivered: number
  /** Events with a dead letter of this sink. */
  deadLettered: number
  /** Events that the group has not read or not acknowledged yet. */
  pending: number
  /** References of events that are nowhere, and of requests that are not in the log. */
  readonly lost: string[]
  /** References of events with more than one dead letter of the sink, or more than one record in the feed. */
  readonly doubled: string[]
}

/** Where the ledger reads its figures. The limits must be those of the workers: they decide which events are refused. */
export interface LedgerSources extends Limits {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly stores: readonly Store[]
  /** Partitions of the clean feed; with none, the feed has no ledger. */
  readonly feed: readonly PartitionKeys[]
}

/** Entries that are read in one round trip. */
const PAGE = 500
/** Used instead of an event's index where the letter is about the whole request. */
const WHOLE = 'all'

/**
 * Looks every acknowledged event up in Redis and in the stores.
 * @param acknowledged references, `<partition>/<entry id>`, of the requests that were answered 202
 */
export async function takeLedger(
  acknowledged: readonly string[],
  sources: LedgerSources,
): Promise<SinkLedger[]> {
  const entries = await readEntries(acknowledged, sources)
  const letters = await countLetters(sources)
  const { redis, partitions, stores } = sources
  const witnesses = [
    ...stores.map((store) => stateWitness(store, sources)),
    ...(sources.feed.length > 0 ? [feedWitness(redis, sources.feed)] : []),
  ]
  const ledgers: SinkLedger[] = []
  for (const { sink, examine } of witnesses) {
    const isUnfinished = await readUnacknowledged(sink, redis, partitions)
    ledgers.push(ledgerOf(sink, await examine(entries), letters, isUnfinished))
  }
  return ledgers
}

/** Whether every event has been delivered or dead-lettered exactly once: none lost, doubled or pending. */
export function balances(ledger: SinkLedger): boolean {
  const { accepted, delivered, deadLettered, pending, lost, doubled } = ledger
  return lost.length + doubled.length + pending === 0 && accepted === delivered + deadLettered
}

function ledgerOf(
  sink: SinkName,
  examined: ReadonlyMap<string, Examined | undefined>,
  letters: ReadonlyMap<string, number>,
  isUnfinished: (entry: Entry, index: number) => boolean,
): SinkLedger {
  const ledger: SinkLedger = {
    sink,
    accepted: 0,
    delivered: 0,
    deadLettered: 0,
    pending: 0,
    lost: [],
    doubled: [],
  }
  for (const [ref, request] of examined) {
    if (!request) {
      ledger.accepted++
      ledger.lost.push(ref)
      continue
    }
    for (const [index, copies] of request.copies) {
      const deadLettered = Math.max(...[index, WHOLE].map((at) => letters.get(`${sink} ${ref} ${at}`) ?? 0))
      place(ledger, `${ref} [${index}]`, deadLettered, copies, () => isUnfinished(request.entry, index))
    }
  }
  return ledger
}

function place(
  ledger: SinkLedger,
  event: string,
  deadLettered: number,
  copies: number,
  isPending: () => boolean,
): void {
  ledger.accepted++
  if (Math.max(deadLettered, copies) > 1) ledger.doubled.push(event)
  if (deadLettered > 0) ledger.deadLettered++
  else if (copies > 0) ledger.delivered++
  else if (isPending()) ledger.pending++
  else ledger.lost.push(event)
}

async function readEntries(
  refs: readonly string[],
  { redis, partitions }: LedgerSources,
): Promise<Map<string, Entry | undefined>> {
  const found = new Map<string, Entry | undefined>()
  for (let start = 0; start < refs.length; start += PAGE) {
    await Promise.all(
      refs.slice(start, start + PAGE).map(async (ref) => {
        const [partition = '', id = ''] = ref.split('/')
        const keys = partitions[Number(partition)]
        const reply = keys ? ((await redis.callBuffer('XRANGE', keys.events, id, id)) as RawEntry[]) : []
        found.set(ref, reply[0] && fromReply(Number(partition), reply[0]))
      }),
    )
  }
  return found
}

/** Counts letters by `<sink> <partition>/<entry id> <index>`, with {@link WHOLE} for the index of a whole request. */
async function countLetters({ redis, partitions }: LedgerSources): Promise<Map<string, number>> {
  const letters = new Map<string, number>()
  for await (const { sink, entry, index = WHOLE } of browse(redis, partitions, {})) {
    const event = `${sink} ${entry} ${index}`
    letters.set(event, (letters.get(event) ?? 0) + 1)
  }
  return letters
}
