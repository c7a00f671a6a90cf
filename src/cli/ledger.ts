import type { Redis } from 'ioredis'
import type { Entity, SinkName } from '../../schemas/contract.js'
import { CONTRACTS } from '../../schemas/index.js'
import { createDecoder, type Decoded, WHOLE_REQUEST } from '../pipeline/decode.js'
import { includes, type State, UNKNOWN } from '../state/state.js'
import { type Entry, fromReply, type RawEntry } from '../stream/entry.js'
import type { PartitionKeys } from '../stream/keys.js'

/** A store as the ledger sees it: the rows themselves, not what the worker says of them. */
export interface Store {
  readonly name: SinkName
  read(entity: Entity, keys: readonly string[]): Promise<ReadonlyMap<string, State>>
}

/** Where every accepted event of one sink is: accepted = delivered + dead-lettered + pending, and nothing lost. */
export interface SinkLedger {
  readonly sink: SinkName
  /** Events of acknowledged requests that the sink is fed with. */
  accepted: number
  /** The stored state includes all that the event says. */
  delivered: number
  /** There is a dead letter of this sink for it. */
  deadLettered: number
  /** The group has yet to read or to settle it. */
  pending: number
  /** References of requests with events that are nowhere. */
  readonly lost: string[]
  /** References of events with more than one letter of the sink. */
  readonly doubled: string[]
}

/** Where the figures come from. */
export interface LedgerSources {
  readonly redis: Redis
  readonly partitions: readonly PartitionKeys[]
  readonly stores: readonly Store[]
  /** As the workers have it: it decides which events had to be refused. */
  readonly maxClockSkewMs: number
}

/** Entries that are asked for in one round trip. */
const PAGE = 500

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
  const ledgers: SinkLedger[] = []
  for (const store of sources.stores) {
    const unsettled = await readUnsettled(store.name, sources)
    ledgers.push(await ledgerOf(store, entries, letters, unsettled, sources.maxClockSkewMs))
  }
  return ledgers
}

/** Whether every event is where it should be in the end: nothing lost, doubled or pending. */
export function balances(ledger: SinkLedger): boolean {
  const { accepted, delivered, deadLettered, pending, lost, doubled } = ledger
  return lost.length + doubled.length + pending === 0 && accepted === delivered + deadLettered
}

async function ledgerOf(
  store: Store,
  entries: ReadonlyMap<string, Entry | undefined>,
  letters: ReadonlyMap<string, number>,
  unsettled: (entry: Entry) => boolean,
  maxClockSkewMs: number,
): Promise<SinkLedger> {
  const sink = store.name
  const decode = createDecoder({ contracts: CONTRACTS, sink, maxClockSkewMs })
  const decoded = new Map([...entries].map(([ref, entry]) => [ref, entry && decode(entry)]))
  const stored = await readStored(store, decoded.values())
  const ledger: SinkLedger = {
    sink,
    accepted: 0,
    delivered: 0,
    deadLettered: 0,
    pending: 0,
    lost: [],
    doubled: [],
  }
  for (const [ref, one] of decoded) {
    if (!one) {
      ledger.accepted++
      ledger.lost.push(ref)
      continue
    }
    const place = (index: number, isStored: boolean) => {
      const copies = letters.get(`${sink} ${ref} ${index}`) ?? 0
      ledger.accepted++
      if (copies > 1) ledger.doubled.push(`${ref} [${index}]`)
      if (copies > 0) ledger.deadLettered++
      else if (isStored) ledger.delivered++
      else if (unsettled(one.entry)) ledger.pending++
      else ledger.lost.push(`${ref} [${index}]`)
    }
    for (const index of one.rejected.keys()) place(index === WHOLE_REQUEST ? 0 : index, false)
    for (const { entity, key, state, origin } of one.changes) {
      place(origin.index, includes(stored.get(entity)?.get(key) ?? UNKNOWN, state))
    }
  }
  return ledger
}

async function readStored(
  store: Store,
  decoded: Iterable<Decoded | undefined>,
): Promise<Map<Entity, ReadonlyMap<string, State>>> {
  const keys = new Map<Entity, Set<string>>()
  for (const one of decoded) {
    for (const { entity, key } of one?.changes ?? []) {
      keys.set(entity, (keys.get(entity) ?? new Set()).add(key))
    }
  }
  const stored = new Map<Entity, ReadonlyMap<string, State>>()
  for (const [entity, wanted] of keys) stored.set(entity, await store.read(entity, [...wanted]))
  return stored
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

/** How many letters there are by `<sink> <partition>/<entry id> <index>`. */
async function countLetters({ redis, partitions }: LedgerSources): Promise<Map<string, number>> {
  const letters = new Map<string, number>()
  for (const { partition, dead } of partitions) {
    for (let from = '-'; ; ) {
      const page = await redis.xrange(dead, from, '+', 'COUNT', PAGE)
      for (const [, fields] of page) {
        const of = (name: string) => fields[fields.indexOf(name) + 1]
        const ref = `${of('sink')} ${partition}/${of('entry')} ${of('index')}`
        letters.set(ref, (letters.get(ref) ?? 0) + 1)
      }
      if (page.length < PAGE) break
      from = `(${page.at(-1)?.[0]}`
    }
  }
  return letters
}

/** Tells which entries a group has not read yet, or has read and not settled. */
async function readUnsettled(
  group: string,
  { redis, partitions }: LedgerSources,
): Promise<(entry: Entry) => boolean> {
  const lastRead = new Map<number, string>()
  const pending = new Set<string>()
  for (const { partition, events } of partitions) {
    const groups = (await redis.xinfo('GROUPS', events)) as unknown[][]
    const own = groups.find((fields) => fields[fields.indexOf('name') + 1] === group)
    lastRead.set(partition, own ? String(own[own.indexOf('last-delivered-id') + 1]) : '0-0')
    if (!own) continue
    for (let from = '-'; ; ) {
      const page = (await redis.xpending(events, group, from, '+', PAGE)) as [string, ...unknown[]][]
      for (const [id] of page) pending.add(`${partition}/${id}`)
      if (page.length < PAGE) break
      from = `(${page.at(-1)?.[0]}`
    }
  }
  return ({ partition, id }) =>
    pending.has(`${partition}/${id}`) || isAfter(id, lastRead.get(partition) ?? '0-0')
}

function isAfter(id: string, other: string): boolean {
  const [millis = 0, sequence = 0] = id.split('-').map(Number)
  const [otherMillis = 0, otherSequence = 0] = other.split('-').map(Number)
  return millis === otherMillis ? sequence > otherSequence : millis > otherMillis
}
