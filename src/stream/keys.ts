/** The keys of one partition. The hash tag keeps them on one node of a Redis Cluster, so scripts may use several. */
export interface PartitionKeys {
  readonly partition: number
  /** The log of accepted requests. */
  readonly events: string
  /** What could not be delivered, and why. */
  readonly dead: string
  /** What was discarded of it, by whom and why. */
  readonly discarded: string
  /** The clean feed. */
  readonly feed: string
  /** First part of the keys that say what the feed has had: the record's own key follows. */
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

/** One name for the streams of all partitions: the key of the only one, or with `*` in place of the number. */
export function nameOfAll(partitions: readonly PartitionKeys[], stream: 'events' | 'dead' | 'feed'): string {
  const [first, ...others] = partitions
  if (!first) throw new Error('There is at least one partition')
  return others.length === 0 ? first[stream] : first[stream].replace(`{${first.partition}}`, '{*}')
}
