import type { Reason } from '../errors.js'
import type { OPERATION } from '../telemetry/names.js'
import type { Timing } from '../telemetry/timing.js'
import type { Entry } from './entry.js'
import type { PartitionKeys } from './keys.js'

/** One command of a consumer that has come to its end: for traces and figures. */
export interface StreamCall extends Timing {
  readonly operation: Exclude<keyof typeof OPERATION, 'append' | 'process'>
  /** The stream's key; of several partitions with `*` in place of the number. */
  readonly stream: string
  /** What was read or settled; never empty. */
  readonly entries: readonly Entry[]
  /** Why an entry is dead-lettered; of several letters that of the first. */
  readonly reason?: Reason | undefined
}

/** Is told of each command that brought or settled entries. It must not throw, and be quick. */
export type OnStreamCall = (call: StreamCall) => void

/** One name for the streams of all partitions: the key of the only one, or with `*` in place of the number. */
export function nameOfAll(partitions: readonly PartitionKeys[], stream: 'events' | 'dead' | 'feed'): string {
  const [first, ...others] = partitions
  if (!first) throw new Error('There is at least one partition')
  return others.length === 0 ? first[stream] : first[stream].replace(`{${first.partition}}`, '{*}')
}
