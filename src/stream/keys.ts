/** The keys of one partition. The hash tag keeps them on one node of a Redis Cluster, so scripts may use several. */
export interface PartitionKeys {
  readonly partition: number
  /** The log of accepted requests. */
  readonly events: string
  /** The dead letters. */
  readonly dead: string
  /** The traces of discarded dead letters: which, by whom and why. */
  readonly discarded: string
  /** The clean feed. */
  readonly feed: string
  /** Prefix of the keys that remember the feed's records: the record's own key follows. */
  readonly seen: string
}

/** The keys of all partitions, in order. */
export function partitionKeys(prefix: string, partitions: number): PartitionKeys[] {
  return Array.from({ length: partitions }, (_, partition) => ({
    partition,
    events: `${prefix}:{${partition}}:events`,
    dead: `${prefix}:{${partition}}:dead`,
    discarded: `${prefix}:{${partition}}:discarded`,
    feed: `${prefix}:{${partition}}:feed`,
    seen: `${prefix}:{${partition}}:seen:`,
  }))
}

/** One name for the streams of all partitions: the key of the only one, or a key with `*` in place of the number. */
export function nameOfAll(partitions: readonly PartitionKeys[], stream: 'events' | 'dead' | 'feed'): string {
  const [first, ...others] = partitions
  if (!first) throw new Error('There must be at least one partition')
  return others.length === 0 ? first[stream] : first[stream].replace(`{${first.partition}}`, '{*}')
}
