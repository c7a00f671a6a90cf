import { BatchError, type RejectedError, type TransientError } from '../errors.js'
import { retryTransient } from '../retry.js'
import type { Sink } from '../sinks/sink.js'
import type { Report } from '../telemetry/command.js'

/** How items are written to a sink. */
export interface DeliverOptions<Item> {
  readonly sink: Sink<Item>
  /** Joins items about the same entity: returns the items to write, and the items that each was made of. */
  readonly fold: (items: readonly Item[]) => Map<Item, readonly Item[]>
  /** Maximum number of items in one write. */
  readonly batch: number
  /** Ends all attempts: the entries of items not written by then stay pending. */
  readonly signal: AbortSignal
  readonly onRetry: (error: TransientError, attempt: number, pauseMs: number) => void
  /** Called with each command to the sink's store. */
  readonly report?: Report
}

/** What became of items that are not durable; all others are. */
export interface Undelivered<Item> {
  /** Refused by the sink for good. */
  readonly refused: Map<Item, RejectedError>
  /** Not written for now, though others are: their entries must not be acknowledged. */
  readonly postponed: Map<Item, TransientError>
}

/** The `fold` of sinks that take every item as it is. */
export function unfolded<Item>(items: readonly Item[]): Map<Item, readonly Item[]> {
  return new Map(items.map((item) => [item, [item]]))
}

/**
 * Writes items to a sink: folded, in writes of bounded size, retried while the sink fails transiently.
 * @returns the items that are not durable
 * @throws the signal's reason once it is aborted
 */
export async function deliver<Item>(
  items: readonly Item[],
  options: DeliverOptions<Item>,
): Promise<Undelivered<Item>> {
  const folded = options.fold(items)
  const undelivered: Undelivered<Item> = { refused: new Map(), postponed: new Map() }
  for (const write of chunks([...folded.keys()], options.batch)) {
    const { refused, postponed } = await attempt(write, options)
    for (const [item, error] of postponed) {
      for (const part of folded.get(item) ?? [item]) undelivered.postponed.set(part, error)
    }
    for (const [item, error] of refused) {
      const parts = folded.get(item) ?? [item]
      if (parts.length === 1) undelivered.refused.set(item, error)
      else await eachAlone(parts, options, undelivered)
    }
  }
  return undelivered
}

/** When a folded item is refused, perhaps only one of its parts is at fault: each is written alone. */
async function eachAlone<Item>(
  parts: readonly Item[],
  options: DeliverOptions<Item>,
  undelivered: Undelivered<Item>,
): Promise<void> {
  for (const part of parts) {
    const { refused, postponed } = await attempt([part], options)
    for (const [item, error] of refused) undelivered.refused.set(item, error)
    for (const [item, error] of postponed) undelivered.postponed.set(item, error)
  }
}

async function attempt<Item>(
  items: readonly Item[],
  { sink, signal, onRetry, report }: DeliverOptions<Item>,
): Promise<{ refused: ReadonlyMap<Item, RejectedError>; postponed: ReadonlyMap<Item, TransientError> }> {
  try {
    await retryTransient(() => sink.write(items, signal, report), signal, onRetry)
    return { refused: new Map(), postponed: new Map() }
  } catch (error) {
    if (!(error instanceof BatchError)) throw error
    const { rejected: refused, postponed } = error as BatchError<Item>
    // The next attempt is the next delivery of the entry.
    for (const reason of new Set(postponed.values())) onRetry(reason, 1, 0)
    return { refused, postponed }
  }
}

function* chunks<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
