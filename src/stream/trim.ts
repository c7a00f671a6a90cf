import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const trim = loadScript('trim')
const seek = loadScript('seek')

/** Entries that one call removes at most: about 1 ms in which Redis does nothing else. */
const STEP_ENTRIES = 10_000
/** Entries that one call looks at in search of a contract: about 3 ms. */
const SEEK_ENTRIES = 1_000
/** Before an entry of this id there is none. */
const START = '0-0'

/** What is kept, and for whom. */
export interface TrimOptions {
  /** How long entries are kept to be replayed, in ms since their receipt by Redis' clock. */
  readonly windowMs: number
  /** The sinks that this installation runs, each with the names of the contracts that feed it. */
  readonly sinks: ReadonlyMap<string, readonly string[]>
  /** Groups that nothing is kept for. */
  readonly ignored: readonly string[]
}

/** What a group, or a sink that has no group yet, still needs of a stream. */
export interface Need {
  readonly stream: string
  /** The group's name. */
  readonly group: string
  readonly exists: boolean
  /** Id of the first entry that it needs. */
  readonly id: string
  /** For how long that has been in nobody's hands, in ms; `undefined`: it has not been read yet. */
  readonly idleMs: number | undefined
}

/** What a round has come to. */
export interface TrimReport {
  /** Entries that were removed. */
  readonly removed: number
  /** Memory of the streams before their last step, together. */
  readonly bytes: number
  readonly needs: readonly Need[]
}

/**
 * Removes entries that every group has settled once they are older than the window, and before that where the log
 * takes too much memory. What a group has not read, or has read and not settled, always stays; so does what is for
 * a sink that has no group yet, because its worker never ran. Any number of processes may do it at once.
 */
export class Trimmer {
  /** By sink and stream: no entry before this one is for the sink. Forgotten by a restart, and found again. */
  readonly #positions = new Map<string, string>()

  constructor(
    private readonly redis: RedisClient,
    private readonly partitions: readonly PartitionKeys[],
    private readonly options: TrimOptions,
  ) {}

  /**
   * Trims every partition as far as it goes, in steps of a few ms of Redis' time.
   * @param maxBytes memory that the log may take, all partitions together, each with an equal share; over it the
   * window shrinks
   * @param stopping ends it between two steps
   * @throws whatever Redis or the connection answers; doing it again is safe
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
    const held = [...sinks.keys()].flatMap((sink) => [sink, this.#positionOf(sink, stream)])
    const share = Math.floor(maxBytes / this.partitions.length)
    const reply = await trim(
      this.redis,
      [stream],
      [windowMs, share, STEP_ENTRIES, ignored.length, ...ignored, ...held],
    )
    const [removed, bytes, horizon, ...rest] = reply as [number, number, string, ...(string | number)[]]
    const groups = new Map<string, Need>()
    for (let i = 0; i < rest.length; i += 3) {
      const [group, id, idleMs] = [String(rest[i]), String(rest[i + 1]), Number(rest[i + 2])]
      groups.set(group, { stream, group, exists: true, id, idleMs: idleMs < 0 ? undefined : idleMs })
    }
    return { removed, bytes, horizon, groups }
  }

  /** Looks on for what a sink needs, one call. @returns the entry's id where it is known */
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
