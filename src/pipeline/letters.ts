import type { RejectedError } from '../errors.js'
import type { Position } from '../state/version.js'
import type { DeadLetter } from '../stream/dead-letter.js'
import { type Entry, placeOf, receivedAt } from '../stream/entry.js'
import type { Decoded } from './decode.js'
import { elementsOf } from './json.js'
import { WHOLE_REQUEST } from './read.js'

/** The result for nearly every entry. */
const NONE: readonly DeadLetter[] = []

/**
 * Makes the dead letters of an entry: one for each rejected event. A letter about one event of an array holds only the
 * bytes of that event, so that a request of 5,000 bad events does not become 5,000 copies of itself.
 * @param refused the items that the sink refused, of this entry and others
 */
export function toLetters<Item extends { readonly origin: Position }>(
  decoded: Decoded<Item>,
  refused: ReadonlyMap<Item, RejectedError>,
  sink: string,
): readonly DeadLetter[] {
  if (decoded.rejected.size === 0 && refused.size === 0) return NONE
  const { entry } = decoded
  const errors = new Map(decoded.rejected)
  const first = placeOf(entry, 0).index
  for (const { origin, error } of refusals(decoded, refused)) errors.set(origin.index - first, error)
  if (errors.size === 0) return []
  const bodies = bodiesOf(decoded)
  return [...errors].map(([index, error]) => letterOf(entry, sink, index, error, bodies(index)))
}

function* refusals<Item extends { readonly origin: Position }>(
  { changes }: Decoded<Item>,
  refused: ReadonlyMap<Item, RejectedError>,
): Generator<{ readonly origin: Position; readonly error: RejectedError }> {
  for (const change of changes) {
    const error = refused.get(change)
    if (error) yield { origin: change.origin, error }
  }
}

/** A redriven entry keeps its original place and the time of its first dead letter; only the attempts increase. */
function letterOf(
  entry: Entry,
  sink: string,
  index: number,
  { reason, message, errors }: RejectedError,
  body: Buffer,
): DeadLetter {
  const { source, delivery, trace, origin } = entry
  const place = placeOf(entry, 0)
  return {
    ...{ reason, message, errors, sink, source, delivery, trace, body },
    entry: `${place.partition}/${place.entryId}`,
    index: origin?.index ?? (index === WHOLE_REQUEST ? undefined : index),
    receivedAt: receivedAt(place.entryId),
    attempts: (origin?.attempts ?? 0) + 1,
    firstAt: origin?.firstAt ?? Date.now(),
  }
}

/** Returns the function that gets the bytes of an event by its index. */
function bodiesOf({ entry, list }: Decoded<unknown>): (index: number) => Buffer {
  if (list === undefined) return () => entry.body
  let elements: readonly Buffer[] | undefined
  return (index) => {
    if (index === WHOLE_REQUEST) return entry.body
    elements ??= elementsOf(entry.body, list)
    const element = elements[index]
    if (!element)
      throw new Error(`Entry ${entry.id} has event ${index} in its parsed value, but not in its bytes`)
    return element
  }
}
