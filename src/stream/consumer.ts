import { hostname } from 'node:os'
import { type Command, type Report, type Timing, timed } from '../telemetry/command.js'
import { OPERATION } from '../telemetry/names.js'
import { acknowledge, type Outcome } from './acknowledge.js'
import type { Entry } from './entry.js'
import { readGroups } from './groups.js'
import { InFlightEntries } from './in-flight.js'
import { nameOfAll, type PartitionKeys } from './keys.js'
import { fetchLost } from './lost.js'
import { createReader, type Reader } from './reader.js'
import { Reaper, type StaleEntry } from './reaper.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const retire = loadScript('retire')

/** How long one read waits for entries; also how long a stop may take to be noticed. */
const BLOCK_MS = 1_000
/** A batch aims at no more than this, so that large bodies do not fill the memory. */
const BATCH_BYTES = 16 * 1024 * 1024

/** What a consumer is made of. */
export interface ConsumerOptions {
  /** For blocking reads alone: other commands would wait behind them. */
  readonly reader: RedisClient
  /** For everything else. Both patient: see `createRedis`. */
  readonly commands: RedisClient
  readonly partitions: readonly PartitionKeys[]
  /** Name of the group: the sink's. */
  readonly group: string
  /** Most entries in a batch. */
  readonly batch: number
  /** How long to wait for a fuller batch, in ms. */
  readonly lingerMs: number
  /** After this time of silence another consumer takes over what this one holds, in ms. */
  readonly leaseMs: number
  /** After this time of silence a consumer that holds nothing is removed from the group, in ms; default: an hour. */
  readonly goneMs?: number
  /** Is told of each answer to a read, though nothing may have come. */
  readonly onPoll?: () => void
}

/**
 * One member of a consumer group. An entry that it has read is its own until it is settled; it renews its
 * lease on them, so only a consumer that is gone, or hangs, loses them to another.
 */
export class Consumer {
  readonly name =
    `${hostname()}-${process.pid}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`
  readonly #options: ConsumerOptions
  readonly #held: InFlightEntries
  readonly #reader: Reader
  readonly #reaper: Reaper
  /** Of an entry of the last batch; at first of the largest that the edge takes by default. */
  #averageBytes = 1024 * 1024
  /** Whether a reply to a read may have been lost. */
  #mayHaveLost = false

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#held = new InFlightEntries({ ...options, redis: options.commands, consumer: this.name })
    this.#reaper = new Reaper({ ...options, redis: options.commands, consumer: this.name })
    this.#reader = createReader(options.reader, options.partitions)
    this.#reader.onLoss(() => {
      this.#mayHaveLost = true
    })
  }

  /** Creates the group where it is missing, at the start of the stream: never at its end, which skips entries. */
  async createGroups(): Promise<void> {
    const { commands, partitions, group } = this.#options
    for (const { events } of partitions) {
      // A Redis that is full refuses to create even what is there; and what is there works, and makes room.
      if ((await readGroups(commands, events)).has(group)) continue
      try {
        await commands.xgroup('CREATE', events, group, '0', 'MKSTREAM')
      } catch (error) {
        if (!String(error).includes('BUSYGROUP')) throw error
      }
    }
  }

  /** Whether entries are to be looked for that others have read and not settled: see {@link claim}. */
  get staleDue(): boolean {
    return this.#reaper.due
  }

  /**
   * Reads the next batch: what was delivered to it and never came, or else what nobody has read yet.
   * @param report gets the commands that brought entries
   * @returns nothing once `stopping` is aborted, or {@link staleDue}
   * @throws an error that `redisError` can tell to be passing or not
   */
  async read(stopping: AbortSignal, report?: Report): Promise<Entry[]> {
    while (!stopping.aborted) {
      const { staleDue } = this
      const entries = await this.#next(staleDue ? undefined : BLOCK_MS, report)
      this.#options.onPoll?.()
      if (entries.length > 0) {
        this.#held.add(entries)
        this.#averageBytes = entries.reduce((sum, entry) => sum + entry.body.length, 1) / entries.length
        await this.#linger(entries, stopping, report)
        return entries
      }
      if (staleDue) return []
    }
    return []
  }

  /**
   * Takes over one entry of a consumer that has been silent for a lease. It may be the one that ended that
   * consumer, so nothing else should be in hand.
   * @param report gets the command that brought it
   * @returns nothing where there is none, for the time being
   * @throws as {@link read}
   */
  async claim(report?: Report): Promise<StaleEntry | undefined> {
    for (;;) {
      const stale = await this.#fetch(
        OPERATION.claim,
        report,
        () => this.#reaper.next(),
        (found) => (found ? 1 : 0),
      )
      if (!stale) return undefined
      // Its own lease could not be renewed in time.
      if (this.#held.has(stale.entry.partition, stale.entry.id)) continue
      this.#held.add([stale.entry])
      return stale
    }
  }

  /** Does not count this delivery: the entry has done no harm, whatever becomes of this process now. */
  async resetDeliveryCount({ entry, deliveries }: StaleEntry): Promise<void> {
    const { commands, partitions, group } = this.#options
    const keys = partitions.find(({ partition }) => partition === entry.partition)
    if (!keys) throw new Error(`nobody reads partition ${entry.partition}`)
    const claim = [keys.events, group, this.name, 0, entry.id, 'RETRYCOUNT', deliveries, 'JUSTID'] as const
    await commands.call('XCLAIM', ...claim)
  }

  /**
   * Settles entries whose fate is durable: acknowledged, or with their dead letters in one atomic script.
   * @param report gets each command
   */
  async acknowledge(outcomes: readonly Outcome[], report?: Report): Promise<void> {
    await acknowledge(this.#options, outcomes, report)
    this.#held.remove(outcomes.map(({ entry }) => entry))
  }

  /** Leaves the group, unless entries are still pending: another member takes those over. */
  async close(): Promise<void> {
    this.#held.close()
    for (const { events } of this.#options.partitions) {
      await retire(this.#options.commands, [events], [this.#options.group, this.name, 0, ''])
    }
  }

  async #linger(entries: Entry[], stopping: AbortSignal, report?: Report): Promise<void> {
    const end = performance.now() + this.#options.lingerMs
    while (!stopping.aborted && entries.length < this.#batchSize()) {
      const restMs = Math.floor(end - performance.now())
      if (restMs < 1) return
      const room = this.#batchSize() - entries.length
      // What has been read must not be forgotten: the next read will meet the error again.
      const more = await this.#readNew(Math.min(restMs, BLOCK_MS), room, report).catch(() => undefined)
      if (!more) return
      this.#held.add(more)
      entries.push(...more)
    }
  }

  async #next(blockMs: number | undefined, report?: Report): Promise<Entry[]> {
    if (this.#mayHaveLost) {
      const { commands, partitions, group } = this.#options
      // Before it looks: the connection may break again meanwhile.
      this.#mayHaveLost = false
      const fetch = () => fetchLost(commands, partitions, group, this.name, this.#held)
      const lost = await this.#fetch(OPERATION.fetchLost, report, fetch, ({ entries }) => entries.length)
      this.#mayHaveLost ||= !lost.complete
      if (lost.entries.length > 0) return [...lost.entries]
    }
    return await this.#readNew(blockMs, this.#batchSize(), report)
  }

  /** @param blockMs how long to wait for entries; `undefined`: not at all */
  async #readNew(blockMs: number | undefined, count: number, report?: Report): Promise<Entry[]> {
    const { group } = this.#options
    try {
      const read = () => this.#reader.read({ group, consumer: this.name, count, blockMs })
      return await this.#fetch(OPERATION.read, report, read, ({ length }) => length)
    } catch (error) {
      if (!String(error).includes('NOGROUP')) throw error
      await this.createGroups()
      return []
    }
  }

  /** Reports a command that brings entries, unless it has brought none. @param countOf of its result */
  #fetch<T>(
    operation: Command['operation'],
    report: Report | undefined,
    send: () => Promise<T>,
    countOf: (result: T) => number,
  ): Promise<T> {
    const tell = (timing: Timing, result?: T) => {
      const count = result === undefined ? 0 : countOf(result)
      const target = nameOfAll(this.#options.partitions, 'events')
      if (count > 0) report?.({ system: 'redis', operation, target, count, ...timing })
    }
    return timed(send, report && tell)
  }

  #batchSize(): number {
    return Math.max(1, Math.min(this.#options.batch, Math.floor(BATCH_BYTES / this.#averageBytes)))
  }
}
