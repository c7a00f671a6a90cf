import { cdc } from '../../schemas/cdc.js'
import type { NewEntry } from '../../src/stream/entry.js'
import { createProducer } from '../../src/stream/producer.js'
import { type BodySize, type ContactEvent, contactBody, markOf } from '../load/bodies.js'
import { type Fixture, KEYS } from '../support/fixture.js'

/** Of a `contact.created`. */
const BODY: BodySize = { bytes: 700 }
/** A `traceparent` that says that the event is traced. */
const TRACED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
/** Entries of one append. */
const APPEND = 100

/** A backlog of events, and what has to be in the store once it is worked off. */
export interface Backlog {
  readonly title: string
  readonly count: number
  /** The n-th event, from 0. */
  eventAt(n: number): ContactEvent
}

/** Where the keys of a run begin; a fresh one has nothing in the stores. */
export type KeyPrefix = string

/** Each contact is new. */
export function newKeys(run: KeyPrefix, count: number): Backlog {
  return {
    title: 'new keys',
    count,
    eventAt: (n) => ({ operation: 'created', key: `${run}-${n}`, turn: n }),
  }
}

/** The events of {@link newKeys} once more. */
export function duplicates(run: KeyPrefix, count: number): Backlog {
  return { ...newKeys(run, count), title: 'all duplicates' }
}

/** Changes two fields of each contact of {@link newKeys}. */
export function patches(run: KeyPrefix, count: number): Backlog {
  return {
    title: 'patches',
    count,
    eventAt: (n) => ({ operation: 'updated', key: `${run}-${n}`, turn: count + n }),
  }
}

/** A hundred events for each contact, in turn. */
export function hotKeys(run: KeyPrefix, count: number): Backlog {
  const keys = Math.ceil(count / 100)
  return {
    title: 'hot keys (1 %)',
    count,
    eventAt: (n) => ({ operation: 'created', key: `${run}-${n % keys}`, turn: n }),
  }
}

/** The marker that each contact has in the end, by its key. */
export function expected({ count, eventAt }: Backlog): Map<string, string> {
  const marks = new Map<string, string>()
  for (let n = 0; n < count; n++) {
    const { key, turn } = eventAt(n)
    marks.set(key, markOf(turn))
  }
  return marks
}

/** The body of an event as CXone sends it. */
export function bodyOf(event: ContactEvent, size = BODY): string {
  return contactBody(event, size)
}

/** How a backlog is put into the log. */
export interface AppendOptions {
  readonly partitions?: number
  readonly size?: BodySize
  /** Share of the entries that are traced, 0 to 1; default: 0. */
  readonly traced?: number
}

/** Puts a backlog into the log, spread over the partitions. About 10 us an entry. */
export async function append(fixture: Fixture, backlog: Backlog, options: AppendOptions = {}): Promise<void> {
  const { partitions = 1, size = BODY, traced = 0 } = options
  const producer = createProducer(fixture.client, KEYS.slice(0, partitions))
  const under = new Set<Promise<unknown>>()
  const entryOf = (n: number): NewEntry => ({
    source: cdc.name,
    delivery: '',
    trace: Math.floor((n + 1) * traced) > Math.floor(n * traced) ? TRACED : '',
    body: Buffer.from(bodyOf(backlog.eventAt(n), size), 'latin1'),
  })
  for (let first = 0; first < backlog.count; first += APPEND) {
    const count = Math.min(APPEND, backlog.count - first)
    const entries = Array.from({ length: count }, (_, i) => entryOf(first + i))
    const call: Promise<unknown> = producer.append(entries).finally(() => under.delete(call))
    under.add(call)
    if (under.size >= 4) await Promise.race(under)
  }
  await Promise.all(under)
}
