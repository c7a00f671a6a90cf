import { hostname } from 'node:os'
import type { Redis } from 'ioredis'
import { type DeadLetter, letterFields } from './dead-letter.js'
import { type Entry, fromReply, type RawEntry } from './entry.js'
import type { PartitionKeys } from './keys.js'
import { HeldEntries } from './lease.js'
import { Reaper } from './reaper.js'
import { loadScript } from './scripts.js'

const bury = loadScript('bury')
const retire = loadScript('retire')

/** How long one read waits for entries; also how long a stop may take to be noticed. */
const BLOCK_MS = 1_000
/** A batch aims at no more than this, so that large bodies do not fill the memory. */
const BATCH_BYTES = 16 * 1024 * 1024

/** What became of one entry: delivered, but for the letters. */
export interface Outcome {
  readonly entry: Entry
  readonly letters: readonly DeadLetter[]
}

/** What a consumer is made of. */
export interface ConsumerOptions {
  /** For blocking reads alone: other commands would wait behind them. */
  readonly reader: Redis
  /** For everything else. Both patient: see `createRedis`. */
  readonly commands: Redis
  readonly partitions: readonly PartitionKeys[]
  /** Name of the group: the sink's. */
  readonly group: string
  /** Most entries in a batch. */
  readonly batch: number
  /** How long to wait for a fuller batch, in ms. */
  readonly lingerMs: number
  /** After this time of silence another consumer takes over what this one holds, in ms. */
  readonly leaseMs: number
}

/**
 * One member of a consumer group. An entry that it has read is its own until it is settled; it renews its
 * lease on them, so only a consumer that is gone, or hangs, loses them to another.
 */
export class Consumer {
  readonly name =
    `${hostname()}-${process.pid}-${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`
  readonly #options: ConsumerOptions
  readonly #held: HeldEntries
  readonly #reaper: Reaper
  /** Of an entry of the last batch; at first of the largest that the edge takes by default. */
  #averageBytes = 1024 * 1024

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#held = new HeldEntries({ ...options, redis: options.commands, consumer: this.name })
    this.#reaper = new Reaper({ ...options, redis: options.commands, consumer: this.name })
  }

  /** Creates the group where it is missing, at the start of the stream: never at its end, which skips entries. */
  async createGroups(): Promise<void> {
    for (const { events } of this.#options.partitions) {
      try {
        await this.#options.commands.xgroup('CREATE', events, this.#options.group, '0', 'MKSTREAM')
      } catch (error) {
        if (!String(error).includes('BUSYGROUP')) throw error
      }
    }
  }

  /**
   * Reads the next batch: what a vanished consumer left behind, or else what nobody has read yet.
   * @returns at least one entry; nothing once `stopping` is aborted
   * @throws an error that `redisError` can tell to be passing or not
   */
  async read(stopping: AbortSignal): Promise<Entry[]> {
    while (!stopping.aborted) {
      const left = await this.#reaper.takeOver(this.#held, this.#perPartition(this.#batchSize()))
      const entries = left.length > 0 ? left : await this.#readNew(BLOCK_MS, this.#batchSize())
      if (entries.length === 0) continue
      this.#held.add(entries)
      this.#averageBytes = entries.reduce((sum, entry) => sum + entry.body.length, 1) / entries.length
      await this.#linger(entries, stopping)
      return entries
    }
    return []
  }

  /** Settles entries whose fate is durable: acknowledged, or with their dead letters in one atomic script. */
  async settle(outcomes: readonly Outcome[]): Promise<void> {
    const { commands, partitions, group } = this.#options
    await Promise.all(
      partitions.map(async ({ partition, events, dead }) => {
        const own = outcomes.filter(({ entry }) => entry.partition === partition)
        const delivered = own.filter(({ letters }) => letters.length === 0).map(({ entry }) => entry.id)
        if (delivered.length > 0) await commands.call('XACK', [events, group, ...delivered])
        await Promise.all(
          own
            .filter(({ letters }) => letters.length > 0)
            .map(({ entry, letters }) =>
              bury(commands, [dead, events], [group, entry.id, ...letters.flatMap(letterFields)]),
            ),
        )
      }),
    )
    this.#held.remove(outcomes.map(({ entry }) => entry))
  }

  /** Leaves the group, unless entries are still pending: another member takes those over. */
  async close(): Promise<void> {
    this.#held.close()
    for (const { events } of this.#options.partitions) {
      await retire(this.#options.commands, [events], [this.#options.group, this.name])
    }
  }

  async #linger(entries: Entry[], stopping: AbortSignal): Promise<void> {
    const end = Date.now() + this.#options.lingerMs
    while (!stopping.aborted && entries.length < this.#batchSize()) {
      const restMs = end - Date.now()
      if (restMs < 1) return
      const room = this.#batchSize() - entries.length
      // What has been read must not be forgotten: the next read will meet the error again.
      const more = await this.#readNew(Math.min(restMs, BLOCK_MS), room).catch(() => undefined)
      if (!more) return
      this.#held.add(more)
      entries.push(...more)
    }
  }

  async #readNew(blockMs: number, count: number): Promise<Entry[]> {
    const { reader, group, partitions } = this.#options
    const streams = partitions.map(({ events }) => events)
    try {
      const reply = (await reader.callBuffer(
        'XREADGROUP',
        ...['GROUP', group, this.name, 'COUNT', this.#perPartition(count), 'BLOCK', blockMs, 'STREAMS'],
        ...[...streams, ...streams.map(() => '>')],
      )) as StreamReply | null
      return reply ? this.#entriesOf(reply) : []
    } catch (error) {
      if (!String(error).includes('NOGROUP')) throw error
      await this.createGroups()
      return []
    }
  }

  /** The reply is flat: a stream's name, then its entries, in turn. */
  #entriesOf(reply: StreamReply): Entry[] {
    const entries: Entry[] = []
    for (let i = 0; i < reply.length; i += 2) {
      const name = String(reply[i])
      const keys = this.#options.partitions.find(({ events }) => events === name)
      if (!keys) throw new Error(`Redis sent entries of the stream ${name}, which nobody asked for`)
      for (const raw of reply[i + 1] as readonly RawEntry[]) {
        const entry = fromReply(keys.partition, raw)
        if (entry) entries.push(entry)
      }
    }
    return entries
  }

  #batchSize(): number {
    return Math.max(1, Math.min(this.#options.batch, Math.floor(BATCH_BYTES / this.#averageBytes)))
  }

  /** Redis counts for each stream of a read by itself. */
  #perPartition(count: number): number {
    return Math.max(1, Math.floor(count / this.#options.partitions.length))
  }
}

type StreamReply = readonly (Buffer | readonly RawEntry[])[]
