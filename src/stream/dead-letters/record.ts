import type { ValidationError } from '../../errors.js'
import { type DeadLetter, HEAD_FIELDS } from '../dead-letter.js'

/** A kept letter without its body. */
export interface DeadLetterHead extends Omit<DeadLetter, 'body' | 'reason'> {
  /** `<partition>/<id in the dead-letter stream>`. */
  readonly id: string
  readonly partition: number
  /** Its id in the dead-letter stream of its partition. */
  readonly streamId: string
  /** When it was dead-lettered for the last time, in milliseconds since 1970. */
  readonly at: number
  /** A reason of this version, or of the version that wrote the letter. */
  readonly reason: string
  /** Correlation or event id; empty where none could be read. */
  readonly event: string
  /** Version of the software that wrote it. */
  readonly version: string
  readonly status: string
  /** Length of the body, in bytes. */
  readonly bytes: number
}

/** A kept letter. */
export interface DeadLetterRecord extends DeadLetterHead {
  readonly body: Buffer
}

/** The reply of `heads.lua` for one letter: id, length of the body, then the values of {@link HEAD_FIELDS}. */
export type RawHead = readonly [id: string, bytes: number, ...values: string[]]

/** Reads a head from the reply. */
export function readHead(partition: number, [streamId, bytes, ...values]: RawHead): DeadLetterHead {
  const of = (name: (typeof HEAD_FIELDS)[number]) => values[HEAD_FIELDS.indexOf(name)] ?? ''
  return {
    id: `${partition}/${streamId}`,
    partition,
    streamId,
    at: Number.parseInt(streamId, 10),
    reason: of('reason'),
    message: of('message'),
    errors: JSON.parse(of('errors') || '[]') as ValidationError[],
    sink: of('sink'),
    source: of('source'),
    entry: of('entry'),
    index: of('index') === '' ? undefined : Number(of('index')),
    receivedAt: Number(of('received')),
    delivery: of('delivery'),
    event: of('event'),
    trace: of('trace'),
    attempts: Number(of('attempts')),
    firstAt: Number(of('first')),
    version: of('version'),
    status: of('status'),
    bytes,
  }
}
