import type { RejectedError } from '../errors.js'
import type { Change } from '../sinks/sink.js'
import type { DeadLetter } from '../stream/dead-letter.js'
import { receivedAt } from '../stream/entry.js'
import { type Decoded, WHOLE_REQUEST } from './decode.js'

/**
 * The dead letters of an entry: one an event that was rejected. A letter about one event of several holds that
 * event alone, so that a request of 5,000 bad events does not become 5,000 copies of itself.
 * @param refused what the sink has refused, of this entry and others
 */
export function toLetters(
  decoded: Decoded,
  refused: ReadonlyMap<Change, RejectedError>,
  sink: string,
): DeadLetter[] {
  const { entry } = decoded
  const errors = new Map(decoded.rejected)
  for (const change of decoded.changes) {
    const error = refused.get(change)
    if (error) errors.set(change.origin.index, error)
  }
  const letters: DeadLetter[] = []
  for (const [index, { reason, message }] of errors) {
    const body = bodyOf(decoded, index)
    // One letter that holds the whole request speaks for all events that cannot stand alone.
    if (body === entry.body && letters.some((letter) => letter.body === body)) continue
    letters.push({
      reason,
      message,
      sink,
      source: entry.source,
      entryId: entry.id,
      index: Math.max(0, index),
      receivedAt: receivedAt(entry.id),
      delivery: entry.delivery,
      trace: entry.trace,
      body,
    })
  }
  return letters
}

function bodyOf({ entry, events }: Decoded, index: number): Buffer {
  if (index === WHOLE_REQUEST || events.length === 1) return entry.body
  try {
    return Buffer.from(JSON.stringify(events[index]))
  } catch (error) {
    // Nested deeper than JSON.stringify can go, though JSON.parse could: only the raw bytes hold it.
    if (error instanceof RangeError) return entry.body
    throw error
  }
}
