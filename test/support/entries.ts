import type { Entry, NewEntry } from '../../src/stream/entry.js'

/** A request as the edge appends it. @param body raw bytes, a text, or a value that is written as JSON */
export function newEntry(source: string, body: unknown): NewEntry {
  const raw = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return { source, delivery: 'delivery-1', trace: '', body: raw }
}

/** A request as it stands in the log; received on 2025-11-22. */
export function entryOf(source: string, body: unknown, id = '1763780760125-0'): Entry {
  return { ...newEntry(source, body), partition: 0, id }
}
