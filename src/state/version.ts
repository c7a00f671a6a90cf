/**
 * The order of all events about an entity: event timestamp, then operation, then the event's place in the log. It is
 * one ASCII string that compares bytewise – `<` in JavaScript, `COLLATE "C"` in Postgres – and no two events share
 * one. docs/decisions/0005-state-is-a-join.md has the reasons.
 *
 *     1763780760123456.2.1763780760125-10.10.13
 *     │                │ │             │  │  └ index in the request's array: 3
 *     │                │ │             │  └ partition: 0
 *     │                │ └ entry id (milliseconds, sequence 0)
 *     │                └ 1 snapshot, 2 patch, 3 delete
 *     └ event timestamp in microseconds
 */
export type Version = string

/** Older than every version: the version of an entity without any event. */
export const NO_VERSION: Version = ''

/** What an event does to its entity; at the same timestamp a later one in this list wins. */
export const OPERATIONS = ['snapshot', 'patch', 'delete'] as const
/** One of {@link OPERATIONS}. */
export type Operation = (typeof OPERATIONS)[number]

/** Where an event stands in the log. */
export interface Position {
  /** The stream's partition, from 0. */
  readonly partition: number
  /** The entry's id, `<milliseconds>-<sequence>`. */
  readonly entryId: string
  /** The event's place in its request, from 0. */
  readonly index: number
}

/**
 * Makes a version.
 * @param timestamp event timestamp, microseconds since 1970, a safe integer: 0 to the year 2255
 */
export function makeVersion(timestamp: number, operation: Operation, at: Position): Version {
  const dash = at.entryId.indexOf('-')
  const millis = at.entryId.slice(0, dash)
  const sequence = at.entryId.slice(dash + 1)
  const time = String(timestamp).padStart(16, '0')
  const rank = OPERATIONS.indexOf(operation) + 1
  return `${time}.${rank}.${millis.padStart(13, '0')}-${sortable(sequence)}.${sortable(at.partition)}.${sortable(at.index)}`
}

/** The event timestamp within a version, in microseconds since 1970. */
export function timestampOf(version: Version): number {
  return Number(version.slice(0, 16))
}

/** Decimal digits behind their count (in base 36), so that numbers of any length order as strings. */
function sortable(number: number | string): string {
  const digits = String(number)
  return digits.length.toString(36) + digits
}
