import { RejectedError } from '../../errors.js'
import { writeJson } from '../../state/json.js'
import type { Field, State } from '../../state/state.js'
import { formatTimestamp } from '../../state/timestamp.js'
import { timestampOf, type Version } from '../../state/version.js'
import type { Column, Layout } from './layout.js'
import { pointsInTime } from './points-in-time.js'

const NULL = '\\N'

/**
 * A row of the stage table in COPY's text format, without the line end: id, the layout's columns, extra, _version,
 * _field_versions, _deleted_at. Costs 2 to 3 us.
 * @throws RejectedError where a text contains what Postgres cannot store
 */
export function encodeRow(layout: Layout, key: string, state: State): string {
  const { columns, extra } = layout.place(state)
  const row = [ODD.test(key) ? escapeText(storable(key, 'the id')) : key]
  // Made only where there is something to note: in a snapshot of columns without defaults there is not.
  let versions: Map<string, Version> | undefined
  const mark = (name: string, version: Version) => {
    versions ??= new Map()
    versions.set(name, version)
  }
  const note = (name: string, version: Version) => {
    if (version > state.version) mark(name, version)
  }
  let position = 0
  for (const column of layout.columns) {
    const field = columns[position++]
    row.push(field === undefined ? NULL : encodeValue(column, field.value))
    if (field === undefined) continue
    // A column with a default is noted even where it is as old as the row: no event has named one that is not noted.
    if (column.default !== undefined) mark(column.name, field.version)
    else note(column.name, field.version)
  }
  row.push(
    extra.size === 0 ? NULL : encodeExtra(extra, note),
    state.version,
    versions === undefined ? NULL : encodeRecord(versions),
    state.deleted ? formatTimestamp(timestampOf(state.version)) : NULL,
  )
  return row.join('\t')
}

function encodeExtra(
  extra: ReadonlyMap<string, Field>,
  note: (name: string, version: Version) => void,
): string {
  const extras: string[] = []
  for (const [name, { value, version }] of extra) {
    extras.push(storableJson(`${JSON.stringify(name)}:${toJson(value, name)}`, name))
    note(name, version)
  }
  return object(extras)
}

/**
 * A value in COPY's text format. Postgres converts the text to the column's type, or refuses it.
 * @throws RejectedError where a text contains what Postgres cannot store
 */
export function encodeValue(column: Column, value: unknown): string {
  if (value === null || value === undefined) return NULL
  const { name, kind, holds } = column
  if (kind === 'json') return escapeText(storableJson(toJson(value, name), name))
  if (kind === 'array' && Array.isArray(value)) {
    return escapeText(holds === 'json' ? jsonArrayLiteral(value, name) : arrayLiteral(value, column))
  }
  if (holds === 'time') return escapeText(pointsInTime(value, name))
  if (typeof value === 'string' && !ODD.test(value)) return value
  return escapeText(toText(value, name))
}

/** A text without these is written as it is: one check instead of three for every field of every event. */
const ODD = /[\0\\\n\r\t\ud800-\udfff]/

function toText(value: unknown, name: string): string {
  if (typeof value === 'string') return storable(value, name)
  return typeof value === 'object' ? toJson(value, name) : String(value)
}

/** What has to be escaped between the quotes of an array literal. */
const IN_QUOTES = /["\\]/
/** Postgres' MAXDIM. */
const MAX_DIMENSIONS = 6

function arrayLiteral(values: readonly unknown[], column: Column, dimension = 1): string {
  const { name, holds } = column
  if (dimension > MAX_DIMENSIONS)
    throw unstorable(name, `is an array of more than ${MAX_DIMENSIONS} dimensions`)
  const elements = values.map((value) => {
    if (value === null) return 'NULL'
    if (Array.isArray(value)) return arrayLiteral(value, column, dimension + 1)
    const text = holds === 'time' ? pointsInTime(value, name) : toText(value, name)
    return IN_QUOTES.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
  })
  return `{${elements.join(',')}}`
}

/**
 * An array literal of JSON texts. JSON puts a text in quotes as such a literal does, and an element `"null"` can only be
 * the text of null: quotes within an element are escaped.
 */
function jsonArrayLiteral(values: readonly unknown[], name: string): string {
  const texts = values.map((value) => toJson(value, name))
  storableJson(texts.join(), name)
  return `{${JSON.stringify(texts).slice(1, -1).replaceAll('"null"', 'NULL')}}`
}

function toJson(value: unknown, name: string): string {
  try {
    return writeJson(value)
  } catch (error) {
    // A parsed value has no cycles, so only its depth can be the cause.
    if (error instanceof RangeError) throw unstorable(name, 'is nested too deep')
    throw error
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const SPECIAL = /[\\\n\r\t]/
const EVERY_SPECIAL = /[\\\n\r\t]/g

/** A text in COPY's text format. */
export function escapeText(text: string): string {
  return SPECIAL.test(text) ? text.replace(EVERY_SPECIAL, (special) => ESCAPES[special] ?? special) : text
}

function storable(text: string, name: string): string {
  if (text.includes('\0')) throw unstorable(name, 'contains a NUL character')
  // In UTF-8 it would silently become another character.
  if (!text.isWellFormed()) throw unstorable(name, 'contains half a surrogate pair')
  return text
}

/** Escapes of NUL and of half surrogate pairs, as JSON.stringify writes them; not after an escaped backslash. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/

function storableJson(json: string, name: string): string {
  if (json.includes('\\u') && UNSTORABLE_ESCAPE.test(json)) {
    throw unstorable(name, 'contains a NUL character or half a surrogate pair')
  }
  return json
}

function unstorable(name: string, what: string): RejectedError {
  const remedy = 'which Postgres cannot store; correct it at the sender'
  return new RejectedError('refused_by_store', `${JSON.stringify(name)} ${what}, ${remedy}`)
}

/** Versions by name as JSON in COPY's text format; NULL where there are none. */
export function encodeRecord(versions: ReadonlyMap<string, Version>): string {
  return object(Array.from(versions, ([name, version]) => `${JSON.stringify(name)}:"${version}"`))
}

function object(entries: readonly string[]): string {
  return entries.length === 0 ? NULL : escapeText(`{${entries.join(',')}}`)
}
