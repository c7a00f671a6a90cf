import type { RejectedError, TransientError } from '../errors.js'
import type { SinkItem } from '../sinks/sink.js'
import type { Outcome } from '../stream/acknowledge.js'
import type { Entry } from '../stream/entry.js'
import type { Command } from '../telemetry/command.js'
import type { Decoded } from './decode.js'

/** Entries that a worker processes together. Observers identify a batch by the object itself. */
export interface Batch {
  readonly entries: readonly Entry[]
  /** How often they were delivered before; 0 for new entries. */
  readonly deliveries: number
  /** When the worker began to process them, in ms of `performance.now()`. */
  readonly begunAt: number
}

/** Called at each step of a worker, in this order for each batch. It must not throw, and must be quick: the worker waits. */
export interface WorkerObserver<Item extends SinkItem> {
  /** A batch is in flight. @param commands the commands that read its entries */
  read(batch: Batch, commands: readonly Command[]): void
  /** The entries are decoded for the sink. A poisonous entry is not decoded. */
  decoded(batch: Batch, decoded: readonly Decoded<Item>[]): void
  /** A command to the sink's store, or to the log, has ended. */
  sent(batch: Batch, to: 'sink' | 'log', command: Command): void
  /** An attempt has failed and will be retried. @param batch `undefined`: the attempt was a read of a batch */
  retried(batch: Batch | undefined, error: TransientError, attempt: number, pauseMs: number): void
  /** Every event of these entries is durable in the sink, or refused for good. Entries that come again are left out. */
  written(batch: Batch, decoded: readonly Decoded<Item>[], refused: ReadonlyMap<Item, RejectedError>): void
  /** Dead letters are written, and entries acknowledged. */
  acknowledged(batch: Batch, outcomes: readonly Outcome[]): void
  /** The worker gives the batch up; what is not acknowledged is delivered again. */
  abandoned(batch: Batch, error: unknown): void
}

/** Combines several observers into one; each is called for the methods it has. */
export function together<Item extends SinkItem>(
  parts: readonly Partial<WorkerObserver<Item>>[],
): WorkerObserver<Item> {
  return {
    read: (...args) => parts.forEach((part) => void part.read?.(...args)),
    decoded: (...args) => parts.forEach((part) => void part.decoded?.(...args)),
    sent: (...args) => parts.forEach((part) => void part.sent?.(...args)),
    retried: (...args) => parts.forEach((part) => void part.retried?.(...args)),
    written: (...args) => parts.forEach((part) => void part.written?.(...args)),
    acknowledged: (...args) => parts.forEach((part) => void part.acknowledged?.(...args)),
    abandoned: (...args) => parts.forEach((part) => void part.abandoned?.(...args)),
  }
}
