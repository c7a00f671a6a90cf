import type { SinkName } from '../../../schemas/contract.js'
import { browse } from '../../stream/dead-letters/browse.js'
import { type Entry, fromReply, type RawEntry } from '../../stream/entry.js'
import type { PartitionKeys } from '../../stream/keys.js'
import type { RedisClient } from '../../stream/redis.js'
import { readUnsettled } from './unsettled.js'
import { type Examined, feedWitness, type Store, stateWitness } from './witness.js'

/** Where every accepted event of one sink is: accepted = delivered + dead-lettered + pending, and nothing lost. */
export interface SinkLedger {
  readonly sink: SinkName
  /** Events of acknowledged requests that the sink is fed with. */
  accepted: number
  /** The sink has it: the stored state includes all that the event says, or the feed has its key. */
  delivered: number
  /** There is a dead letter of this sink for it. */
  deadLettered: number
  /** The group has yet to read or to settle it. */
  pending: number
  /** References of requests with events that are nowhere. */
  readonly lost: string[]
  /** References of events with more than one letter of the sink, or more than one record in the feed. */
  readonly doubled: string[]
}

/** Where the figures come from. */
export interface LedgerSources {
  readonly redis: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly stores: readonly Store[]
  /** Those that the clean feed is spread over; none: it is not looked into. */
  readonly feed: readonly PartitionKeys[]
  /** As the workers have it: it decides which events had to be refused. */
  readonly maxClockSkewMs: number
}

/** Entries that are asked for in one round trip. */
const PAGE = 500
/** In place of the index: the letter is about the request as a whole. */
const WHOLE = 'all'

/**
 * Looks every acknowledged event up in Redis and in the stores.
 * @param acknowledged `<partition>/<entry id>` of each request that was answered 202
 */
export async function takeLedger(
  acknowledged: readonly string[],
  sources: LedgerSources,
): Promise<SinkLedger[]> {
  const entries = await readEntries(acknowledged, sources)
  const letters = await countLetters(sources)
  const { redis, partitions, stores, maxClockSkewMs } = sources
  const witnesses = [
    ...stores.map((store) => stateWitness(store, maxClockSkewMs)),
    ...(sources.feed.length > 0 ? [feedWitness(redis, sources.feed)] : []),
  ]
  const ledgers: SinkLedger[] = []
  for (const { sink, examine } of witnesses) {
    const unsettled = await readUnsettled(sink, redis, partitions)
    ledgers.push(ledgerOf(sink, await examine(entries), letters, unsettled))
  }
  return ledgers
}

/** Whether every event is where it should be in the end: nothing lost, doubled or pending. */
export function balances(ledger: SinkLedger): boolean {
  const { accepted, delivered, deadLettered, pending, lost, doubled } = ledger
  return lost.length + doubled.length + pending === 0 && accepted === delivered + deadLettered
}

function ledgerOf(
  sink: SinkName,
  examined: ReadonlyMap<string, Examined | undefined>,
  letters: ReadonlyMap<string, number>,
  unsettled: (entry: Entry, index: number) => boolean,
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
  for (const [ref, one] of examined) {
    if (!one) {
      ledger.accepted++
      ledger.lost.push(ref)
      continue
    }
    for (const [index, copies] of one.copies) {
      const deadLettered = Math.max(...[index, WHOLE].map((at) => letters.get(`${sink} ${ref} ${at}`) ?? 0))
      place(ledger, `${ref} [${index}]`, deadLettered, copies, () => unsettled(one.entry, index))
    }
  }
  return ledger
}

function place(
  ledger: SinkLedger,
  event: string,
  deadLettered: number,
  copies: number,
  isUnsettled: () => boolean,
): void {
  ledger.accepted++
  if (Math.max(deadLettered, copies) > 1) ledger.doubled.push(event)
  if (deadLettered > 0) ledger.deadLettered++
  else if (copies > 0) ledger.delivered++
  else if (isUnsettled()) ledger.pending++
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

/** How many letters there are by `<sink> <partition>/<entry id> <index>`, or {@link WHOLE} for all of its events. */
async function countLetters({ redis, partitions }: LedgerSources): Promise<Map<string, number>> {
  const letters = new Map<string, number>()
  for await (const { sink, entry, index = WHOLE } of browse(redis, partitions, {})) {
    const event = `${sink} ${entry} ${index}`
    letters.set(event, (letters.get(event) ?? 0) + 1)
  }
  return letters
}
