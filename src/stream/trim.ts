import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const trim = loadScript('trim')
const seek = loadScript('seek')

/** Entries that one call removes at most; it blocks Redis for about 1 ms. */
const STEP_ENTRIES = 10_000
/** Entries that one call searches for a contract; it blocks Redis for about 3 ms. */
const SEEK_ENTRIES = 1_000
/** The lowest id: no entry comes before it. */
const START = '0-0'

/** What is kept, and for whom. */
export interface TrimOptions {
  /** How long entries are kept for replay, in ms since their receipt by Redis' clock. */
  readonly windowMs: number
  /** The sinks that this installation runs, each with the names of its contracts. */
  readonly sinks: ReadonlyMap<string, readonly string[]>
  /** Groups that nothing is kept for. */
  readonly ignored: readonly string[]
}

/** What a group, or a sink that has no group yet, still needs from a stream. */
export interface Need {
  readonly stream: string
  /** The group's name. */
  readonly group: string
  readonly exists: boolean
  /** Id of the first entry that it needs. */
  readonly id: string
  /** Idle time of that entry, which is the group's oldest pending one, in ms; `undefined`: it has not been read yet. */
  readonly idleMs: number | undefined
}

/** The result of a trim. */
export interface TrimReport {
  /** Number of entries removed. */
  readonly removed: number
  /** Memory of all streams before their last step, in bytes. */
  readonly bytes: number
  readonly needs: readonly Need[]
}

/**
 * Removes entries that every group has acknowledged once they are older than the window, and earlier when the log takes
 * too much memory. Entries that are undelivered or pending in a group always stay; so do entries for a sink that has no
 * group yet because its worker never ran. Any number of processes may trim at once.
 */
export class Trimmer {
  /** By sink and stream: no entry before this id is for the sink. Lost on a restart, and then found again. */
  readonly #positions = new Map<string, string>()

  constructor(
    private readonly redis: RedisClient,
    private readonly partitions: readonly PartitionKeys[],
    private readonly options: TrimOptions,
  ) {}

  /**
   * Trims every partition as far as possible, in steps that cost Redis a few ms each.
   * @param maxBytes memory that the log may take over all partitions, each with an equal share; above it the window
   * shrinks
   * @param stopping ends the trim between two steps
   * @throws the error of Redis or the connection; trimming again is safe
   */
  async run(maxBytes: number, stopping: AbortSignal): Promise<TrimReport> {
    const reports: TrimReport[] = []
    for (const { events } of this.partitions) reports.push(await this.#trimStream(events, maxBytes, stopping))
    return {
      removed: reports.reduce((sum, { removed }) => sum + removed, 0),
      bytes: reports.reduce((sum, { bytes }) => sum + bytes, 0),
      needs: reports.flatMap(({ needs }) => needs),
    }
  }

  async #trimStream(stream: string, maxBytes: number, stopping: AbortSignal): Promise<TrimReport> {
    for (let removed = 0; ; ) {
      const step = await this.#step(stream, maxBytes)
      const missing = [...this.options.sinks.keys()].filter((sink) => !step.groups.has(sink))
      let moved = false
      const needs = [...step.groups.values()].filter(({ id }) => id !== '')
      for (const sink of missing) {
        const before = this.#positionOf(sink, stream)
        const found = await this.#seek(sink, stream, step.horizon)
        moved ||= this.#positionOf(sink, stream) !== before
        if (found) needs.push({ stream, group: sink, exists: false, id: found, idleMs: undefined })
      }
      removed += step.removed
      if (stopping.aborted || (step.removed === 0 && !moved)) return { removed, bytes: step.bytes, needs }
    }
  }

  async #step(stream: string, maxBytes: number) {
    const { windowMs, sinks, ignored } = this.options
    const positions = [...sinks.keys()].flatMap((sink) => [sink, this.#positionOf(sink, stream)])
    const share = Math.floor(maxBytes / this.partitions.length)
    const reply = await trim(
      this.redis,
      [stream],
      [windowMs, share, STEP_ENTRIES, ignored.length, ...ignored, ...positions],
    )
    const [removed, bytes, horizon, ...rest] = reply as [number, number, string, ...(string | number)[]]
    const groups = new Map<string, Need>()
    for (let i = 0; i < rest.length; i += 3) {
      const [group, id, idleMs] = [String(rest[i]), String(rest[i + 1]), Number(rest[i + 2])]
      groups.set(group, { stream, group, exists: true, id, idleMs: idleMs < 0 ? undefined : idleMs })
    }
    return { removed, bytes, horizon, groups }
  }

  /** Continues the search for the first entry that a sink needs, by one call. @returns the entry's id once it is found */
  async #seek(sink: string, stream: string, horizon: string): Promise<string | undefined> {
    if (horizon === START) return undefined
    const from = this.#positionOf(sink, stream)
    const sources = this.options.sinks.get(sink) ?? []
    const reply = await seek(this.redis, [stream], [from, horizon, SEEK_ENTRIES, ...sources])
    const [state, id] = reply as [string, string]
    if (id !== '') this.#positions.set(`${sink} ${stream}`, id)
    return state === 'found' ? id : undefined
  }

  #positionOf(sink: string, stream: string): string {
    return this.#positions.get(`${sink} ${stream}`) ?? START
  }
}
