/**
 * Metadata of a redriven entry: its original place in the log, so that its version stays the same and cannot overwrite
 * newer state.
 */
export interface Origin {
  readonly partition: number
  /** `<milliseconds of receipt>-<sequence>`. */
  readonly entryId: string
  /** Index in its request of the one event that the entry holds; `undefined`: the entry holds the whole request. */
  readonly index: number | undefined
  /** The only sink that it is for; `edge`: it is for all sinks. */
  readonly sink: string
  /** How often it has been dead-lettered. */
  readonly attempts: number
  /** When it was dead-lettered for the first time, in milliseconds since 1970. */
  readonly firstAt: number
}

/** The sink of a letter that never was an entry. */
export const EDGE = 'edge'

/** An origin as the text of a field. */
export function formatOrigin({ partition, entryId, index, sink, attempts, firstAt }: Origin): string {
  return [partition, entryId, index ?? '', sink, attempts, firstAt].join('/')
}

/** Reads what {@link formatOrigin} wrote. @throws Error for any other text: only a redrive writes origins */
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
