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

/** The `fold` of sinks that take every item as it is. */
export function unfolded<Item>(items: readonly Item[]): Map<Item, readonly Item[]> {
  return new Map(items.map((item) => [item, [item]]))
}

/**
 * Writes items to a sink: folded, in writes of bounded size, retried while the sink fails transiently.
 * @returns the items that the sink refuses for good; all others are durable
 * @throws the signal's reason once it is aborted
 */
export async function deliver<Item>(
  items: readonly Item[],
  options: DeliverOptions<Item>,
): Promise<Map<Item, RejectedError>> {
  const folded = options.fold(items)
  const refused = new Map<Item, RejectedError>()
  for (const write of chunks([...folded.keys()], options.batch)) {
    for (const [item, error] of await attempt(write, options)) {
      const parts = folded.get(item) ?? [item]
      if (parts.length === 1) refused.set(item, error)
      else await eachAlone(parts, options, refused)
    }
  }
  return refused
}

/** When a folded item is refused, perhaps only one of its parts is at fault: each is written alone. */
async function eachAlone<Item>(
  parts: readonly Item[],
  options: DeliverOptions<Item>,
  refused: Map<Item, RejectedError>,
): Promise<void> {
  for (const part of parts) {
    for (const [item, error] of await attempt([part], options)) refused.set(item, error)
  }
}

async function attempt<Item>(
  items: readonly Item[],
  { sink, signal, onRetry, report }: DeliverOptions<Item>,
): Promise<ReadonlyMap<Item, RejectedError>> {
  try {
    await retryTransient(() => sink.write(items, signal, report), signal, onRetry)
    return new Map()
  } catch (error) {
    if (error instanceof BatchError) return (error as BatchError<Item>).rejected
    throw error
  }
}

function* chunks<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
