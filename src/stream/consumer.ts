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

/** How long one read waits for entries, in ms; a stop is noticed after this time at the latest. */
const BLOCK_MS = 1_000
/** Target size of a batch in bytes, at most, so that large bodies do not fill the memory. */
const BATCH_BYTES = 16 * 1024 * 1024

/** Options of a {@link Consumer}. */
export interface ConsumerOptions {
  /** Connection for blocking reads only: other commands would wait behind them. */
  readonly reader: RedisClient
  /** Connection for everything else. Both connections are patient: see `createRedis`. */
  readonly commands: RedisClient
  readonly partitions: readonly PartitionKeys[]
  /** Name of the consumer group, which is the sink's name. */
  readonly group: string
  /** Most entries in a batch. */
  readonly batch: number
  /** How long to wait for a fuller batch, in ms. */
  readonly lingerMs: number
  /** When this consumer is silent for this long, another one claims its pending entries, in ms. */
  readonly leaseMs: number
  /** A consumer without pending entries is removed from the group after this time of silence, in ms; default: an hour. */
  readonly goneMs?: number
  /** Called after each reply to a read, even an empty one. */
  readonly onPoll?: () => void
}

/**
 * One member of a consumer group. An entry that it has read stays its own until it is acknowledged. It renews the lease
 * on its entries, so another consumer claims them only when this one has died or hangs.
 */
export class Consumer {
  readonly name =
    `${hostname()}-${process.pid}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`
  readonly #options: ConsumerOptions
  readonly #inFlight: InFlightEntries
  readonly #reader: Reader
  readonly #reaper: Reaper
  /** Average size of an entry of the last batch; at first the largest size that the edge accepts by default. */
  #averageBytes = 1024 * 1024
  /** Whether a reply to a read may have been lost. */
  #mayHaveLost = false

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#inFlight = new InFlightEntries({ ...options, redis: options.commands, consumer: this.name })
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
      // A full Redis refuses to create a group even where it exists; the worker of an existing group can run and make room.
      if ((await readGroups(commands, events)).has(group)) continue
      try {
        await commands.xgroup('CREATE', events, group, '0', 'MKSTREAM')
      } catch (error) {
        if (!String(error).includes('BUSYGROUP')) throw error
      }
    }
  }

  /** Whether it is time to look for stale pending entries of other consumers: see {@link claim}. */
  get staleDue(): boolean {
    return this.#reaper.due
  }

  /**
   * Reads the next batch: entries whose reply was lost, or else new entries.
   * @param report called with the commands that returned entries
   * @returns an empty batch once `stopping` is aborted, or when {@link staleDue} and there are no entries
   * @throws an error that `redisError` classifies as transient or not
   */
  async read(stopping: AbortSignal, report?: Report): Promise<Entry[]> {
    while (!stopping.aborted) {
      const { staleDue } = this
      const entries = await this.#next(staleDue ? undefined : BLOCK_MS, report)
      this.#options.onPoll?.()
      if (entries.length > 0) {
        this.#inFlight.add(entries)
        this.#averageBytes = entries.reduce((sum, entry) => sum + entry.body.length, 1) / entries.length
        await this.#linger(entries, stopping, report)
        return entries
      }
      if (staleDue) return []
    }
    return []
  }

  /**
   * Claims one entry of a consumer that has been silent for a lease. The entry may be what crashed that consumer, so
   * no other entry should be in flight.
   * @param report called with the command that returned it
   * @returns `undefined` when there is none for now
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
      // This consumer's own entry: its lease could not be renewed in time.
      if (this.#inFlight.has(stale.entry.partition, stale.entry.id)) continue
      this.#inFlight.add([stale.entry])
      return stale
    }
  }

  /** Takes this delivery out of the count: the entry did not crash the worker, even if this process ends now. */
  async resetDeliveryCount({ entry, deliveries }: StaleEntry): Promise<void> {
    const { commands, partitions, group } = this.#options
    const keys = partitions.find(({ partition }) => partition === entry.partition)
    if (!keys) throw new Error(`This consumer does not read partition ${entry.partition}`)
    const claim = [keys.events, group, this.name, 0, entry.id, 'RETRYCOUNT', deliveries, 'JUSTID'] as const
    await commands.call('XCLAIM', ...claim)
  }

  /**
   * Acknowledges entries whose outcome is durable; an entry with dead letters in one atomic script with them.
   * @param report called with each command
   */
  async acknowledge(outcomes: readonly Outcome[], report?: Report): Promise<void> {
    await acknowledge(this.#options, outcomes, report)
    this.#inFlight.remove(outcomes.map(({ entry }) => entry))
  }

  /** Gives up the lease on entries: they stay pending, and after a lease any consumer of the group claims them. */
  postpone(entries: readonly Entry[]): void {
    this.#inFlight.remove(entries)
  }

  /** Leaves the group, unless it still has pending entries: another consumer claims those. */
  async close(): Promise<void> {
    this.#inFlight.close()
    for (const { events } of this.#options.partitions) {
      await retire(this.#options.commands, [events], [this.#options.group, this.name, 0, ''])
    }
  }

  async #linger(entries: Entry[], stopping: AbortSignal, report?: Report): Promise<void> {
    const end = performance.now() + this.#options.lingerMs
    while (!stopping.aborted && entries.length < this.#batchSize()) {
      const remainingMs = Math.floor(end - performance.now())
      if (remainingMs < 1) return
      const room = this.#batchSize() - entries.length
      // The entries read so far must not be lost: the next read will meet the error again.
      const more = await this.#readNew(Math.min(remainingMs, BLOCK_MS), room, report).catch(() => undefined)
      if (!more) return
      this.#inFlight.add(more)
      entries.push(...more)
    }
  }

  async #next(blockMs: number | undefined, report?: Report): Promise<Entry[]> {
    if (this.#mayHaveLost) {
      const { commands, partitions, group } = this.#options
      // Reset before the fetch: the connection may break again during it.
      this.#mayHaveLost = false
      const fetch = () => fetchLost(commands, partitions, group, this.name, this.#inFlight)
      const lost = await this.#fetch(OPERATION.fetchLost, report, fetch, ({ entries }) => entries.length)
      this.#mayHaveLost ||= !lost.complete
      if (lost.entries.length > 0) return [...lost.entries]
    }
    return await this.#readNew(blockMs, this.#batchSize(), report)
  }

  /** @param blockMs how long to wait for entries, in ms; `undefined`: not at all */
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

  /** Runs a command and reports it if it returned entries. @param countOf counts the entries of its result */
  #fetch<T>(
    operation: Command['operation'],
    report: Report | undefined,
    send: () => Promise<T>,
    countOf: (result: T) => number,
  ): Promise<T> {
    const reportFetch = (timing: Timing, result?: T) => {
      const count = result === undefined ? 0 : countOf(result)
      const target = nameOfAll(this.#options.partitions, 'events')
      if (count > 0) report?.({ system: 'redis', operation, target, count, ...timing })
    }
    return timed(send, report && reportFetch)
  }

  #batchSize(): number {
    return Math.max(1, Math.min(this.#options.batch, Math.floor(BATCH_BYTES / this.#averageBytes)))
  }
}
