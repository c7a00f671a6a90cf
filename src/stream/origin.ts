/**
 * What an entry carries that was a dead letter and is redriven: the place in the log that it had at first, so
 * that its version stays what it was and cannot overwrite newer state.
 */
export interface Origin {
  readonly partition: number
  /** `<milliseconds of receipt>-<sequence>`. */
  readonly entryId: string
  /** Place in its request of the one event that the entry holds; `undefined`: the entry is the request as it was. */
  readonly index: number | undefined
  /** The sink that it is for, and no other; `edge`: for all. */
  readonly sink: string
  /** How often it has been dead-lettered. */
  readonly attempts: number
  /** When for the first time, in milliseconds since 1970. */
  readonly firstAt: number
}

/** The sink of a letter that never was an entry. */
export const EDGE = 'edge'

/** An origin as the text of a field. */
export function formatOrigin({ partition, entryId, index, sink, attempts, firstAt }: Origin): string {
  return [partition, entryId, index ?? '', sink, attempts, firstAt].join('/')
}

/** Reads what {@link formatOrigin} wrote. @throws Error for anything else: nobody but a redrive writes it */
export function parseOrigin(text: string): Origin {
  const match = /^(\d+)\/(\d+-\d+)\/(\d*)\/([^/]+)\/(\d+)\/(\d+)$/.exec(text)
  if (!match) throw new Error(`"${text}" is not the origin of an entry`)
  const [, partition, entryId = '', index, sink = '', attempts, firstAt] = match
  return {
    partition: Number(partition),
    entryId,
    index: index === '' ? undefined : Number(index),
    sink,
    attempts: Number(attempts),
    firstAt: Number(firstAt),
  }
}
