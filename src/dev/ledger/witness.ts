import type { Entity, SinkName } from '../../../schemas/contract.js'
import { CONTRACTS } from '../../../schemas/index.js'
import { createCleaner } from '../../pipeline/clean.js'
import { createDecoder, type Decoded, type Limits } from '../../pipeline/decode.js'
import { WHOLE_REQUEST } from '../../pipeline/read.js'
import { includes, type State, UNKNOWN } from '../../state/state.js'
import { countEntries } from '../../stream/count.js'
import type { Entry } from '../../stream/entry.js'
import type { PartitionKeys } from '../../stream/keys.js'
import type { RedisClient } from '../../stream/redis.js'

/** A store for the ledger, which reads the rows themselves and does not rely on the worker. */
export interface Store {
  readonly name: 'postgres' | 'mongo'
  read(entity: Entity, keys: readonly string[]): Promise<ReadonlyMap<string, State>>
}

/** An entry, and which of its events a sink has. */
export interface Examined {
  readonly entry: Entry
  /** How often the sink has each event, by the event's index; 0 for an event that it must refuse. */
  readonly copies: ReadonlyMap<number, number>
}

/** Examines a sink. An entry that is no longer in the log stays `undefined`. */
export interface Witness {
  readonly sink: SinkName
  examine(entries: ReadonlyMap<string, Entry | undefined>): Promise<Map<string, Examined | undefined>>
}

/** Examines a store, which has an event if the stored state includes the whole event. */
export function stateWitness(store: Store, limits: Limits): Witness {
  const decode = createDecoder({ ...limits, contracts: CONTRACTS, sink: store.name })
  return {
    sink: store.name,
    async examine(entries) {
      const decoded = decodeAll(entries, decode)
      const stored = await readStored(store, decoded.values())
      return examineAll(decoded, ({ entity, key, state }) =>
        includes(stored.get(entity)?.get(key) ?? UNKNOWN, state) ? 1 : 0,
      )
    },
  }
}

/** Examines the feed, which has an event if it has a record of its key. */
export function feedWitness(redis: RedisClient, partitions: readonly PartitionKeys[]): Witness {
  const decode = createCleaner(CONTRACTS)
  return {
    sink: 'feed',
    async examine(entries) {
      const records = await countRecords(redis, partitions)
      return examineAll(decodeAll(entries, decode), ({ key }) => records.get(key) ?? 0)
    },
  }
}

function decodeAll<Item>(
  entries: ReadonlyMap<string, Entry | undefined>,
  decode: (entry: Entry) => Decoded<Item>,
): Map<string, Decoded<Item> | undefined> {
  return new Map([...entries].map(([ref, entry]) => [ref, entry && decode(entry)]))
}

function examineAll<Item extends { readonly origin: { readonly index: number } }>(
  decoded: ReadonlyMap<string, Decoded<Item> | undefined>,
  copiesOf: (item: Item) => number,
): Map<string, Examined | undefined> {
  const examined = new Map<string, Examined | undefined>()
  for (const [ref, request] of decoded) {
    const copies = new Map<number, number>()
    for (const index of request?.rejected.keys() ?? []) copies.set(index === WHOLE_REQUEST ? 0 : index, 0)
    for (const item of request?.changes ?? []) copies.set(item.origin.index, copiesOf(item))
    examined.set(ref, request && { entry: request.entry, copies })
  }
  return examined
}

async function readStored(
  store: Store,
  decoded: Iterable<Decoded | undefined>,
): Promise<Map<Entity, ReadonlyMap<string, State>>> {
  const keys = new Map<Entity, Set<string>>()
  for (const request of decoded) {
    for (const { entity, key } of request?.changes ?? []) {
      keys.set(entity, (keys.get(entity) ?? new Set()).add(key))
    }
  }
  const stored = new Map<Entity, ReadonlyMap<string, State>>()
  for (const [entity, wanted] of keys) stored.set(entity, await store.read(entity, [...wanted]))
  return stored
}

/** Counts the records of the feed by their key. */
async function countRecords(
  redis: RedisClient,
  partitions: readonly PartitionKeys[],
): Promise<Map<string, number>> {
  const records = new Map<string, number>()
  for (const { feed } of partitions) {
    const { counts } = await countEntries(redis, feed, undefined, { field: 'key' })
    for (const [key, count] of counts) records.set(key, (records.get(key) ?? 0) + count)
  }
  return records
}
