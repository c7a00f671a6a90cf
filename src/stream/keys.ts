/** The keys of one partition. The hash tag keeps them on one node of a Redis Cluster, so scripts may use both. */
export interface PartitionKeys {
  readonly partition: number
  /** The log of accepted requests. */
  readonly events: string
  /** What could not be delivered, and why. */
  readonly dead: string
}

/** The keys of all partitions, in order. */
export function partitionKeys(prefix: string, partitions: number): PartitionKeys[] {
  return Array.from({ length: partitions }, (_, partition) => ({
    partition,
    events: `${prefix}:{${partition}}:events`,
    dead: `${prefix}:{${partition}}:dead`,
  }))
}
