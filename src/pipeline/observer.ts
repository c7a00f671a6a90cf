import type { RejectedError, TransientError } from '../errors.js'
import type { SinkItem } from '../sinks/sink.js'
import type { Outcome } from '../stream/acknowledge.js'
import type { Entry } from '../stream/entry.js'
import type { Command } from '../telemetry/command.js'
import type { Decoded } from './decoder.js'

/** Entries that a worker takes in hand together. Its identity names it to an observer. */
export interface Batch {
  readonly entries: readonly Entry[]
  /** How often they had been delivered before; 0 for fresh ones. */
  readonly deliveries: number
  /** When the worker took them in hand, in ms of `performance.now()`. */
  readonly begunAt: number
}

/** Gets what a worker does, in this order for each batch. It must not throw, and be quick: the worker waits. */
export interface WorkerObserver<Item extends SinkItem> {
  /** A batch is in hand. @param commands that brought its entries */
  read(batch: Batch, commands: readonly Command[]): void
  /** It is known what the entries mean for the sink. A poisonous entry is not decoded. */
  decoded(batch: Batch, decoded: readonly Decoded<Item>[]): void
  /** A command to the sink's store, or to the log, has come to its end. */
  sent(batch: Batch, to: 'sink' | 'log', command: Command): void
  /** An attempt has failed, and will be made again. @param batch `undefined`: it was to bring one */
  retried(batch: Batch | undefined, error: TransientError, attempt: number, pauseMs: number): void
  /** Every event is durable in the sink, or refused for good. */
  written(batch: Batch, decoded: readonly Decoded<Item>[], refused: ReadonlyMap<Item, RejectedError>): void
  /** Dead letters are written, and entries acknowledged. */
  acknowledged(batch: Batch, outcomes: readonly Outcome[]): void
  /** The worker gives the batch up; what is not acknowledged is delivered again. */
  abandoned(batch: Batch, error: unknown): void
}

/** Several observers as one; each gets what it has a method for. */
export function together<Item extends SinkItem>(
  parts: readonly Partial<WorkerObserver<Item>>[],
): WorkerObserver<Item> {
  return {
    read: (...told) => parts.forEach((part) => void part.read?.(...told)),
    decoded: (...told) => parts.forEach((part) => void part.decoded?.(...told)),
    sent: (...told) => parts.forEach((part) => void part.sent?.(...told)),
    retried: (...told) => parts.forEach((part) => void part.retried?.(...told)),
    written: (...told) => parts.forEach((part) => void part.written?.(...told)),
    acknowledged: (...told) => parts.forEach((part) => void part.acknowledged?.(...told)),
    abandoned: (...told) => parts.forEach((part) => void part.abandoned?.(...told)),
  }
}
