import { type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import Format from 'typebox/format'
import System from 'typebox/system'
import type { ValidationError } from '../src/errors.js'
import { parseTimestamp } from '../src/state/timestamp.js'
import { readNumber } from './number.js'

/** A compiled TypeBox schema: a fast check, and a slower list of all errors. */
export interface Shape {
  readonly schema: TSchema
  /** Costs about 1 us. */
  matches(value: unknown): boolean
  /**
   * Replaces text by numbers where the schema says {@link FROM_TEXT}. Returns a copy where anything is replaced, else
   * the value itself. Call it only for a value that does not match as it is.
   */
  coerce(value: unknown): unknown
  /** All errors of a value that does not match, up to 100. */
  errors(value: unknown): ValidationError[]
}

/**
 * Option of a number in a schema: it may arrive as text, if JSON would write the number so and a double can hold it.
 * `"12"` and `"1.5e3"` are accepted; `""`, `" 12 "`, `"0x10"`, `"1e999"` and `"9007199254740993"` are not.
 */
export const FROM_TEXT = { fromText: true } as const

// The format accepts exactly the timestamps by which events can be ordered.
Format.Set('date-time', (text) => parseTimestamp(text) !== undefined)
System.Settings.Set({ maxErrors: 100 })

/** Compiles a schema. */
export function compile(schema: TSchema): Shape {
  const validator = Compile(schema)
  const numbers = pathsFromText(schema)
  return {
    schema,
    matches: (value) => validator.Check(value),
    coerce: (value) => numbers.reduce(withNumberAt, value),
    errors: (value) => validator.Errors(value).flatMap(toValidationErrors),
  }
}

/** Writes errors in one line: `<path> <message>`, joined by `; `. */
export function explain(errors: readonly ValidationError[]): string {
  return errors.map(({ loc, msg }) => `/${loc.join('/')} ${msg}`).join('; ')
}

function toValidationErrors(error: TLocalizedValidationError): ValidationError[] {
  const loc = pathOf(error.instancePath)
  if (error.keyword !== 'required') return [{ loc, msg: error.message, type: error.keyword }]
  return error.params.requiredProperties.map((name) => ({
    loc: [...loc, name],
    msg: 'is required',
    type: 'required',
  }))
}

/** The names in a JSON pointer. */
function pathOf(pointer: string): string[] {
  if (pointer === '') return []
  const names = pointer.slice(1).split('/')
  if (!pointer.includes('~')) return names
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The paths of all numbers that may arrive as text. */
function pathsFromText(schema: TSchema): string[][] {
  if (Type.IsObject(schema)) {
    return Object.entries(schema.properties).flatMap(([name, property]) =>
      pathsFromText(property).map((path) => [name, ...path]),
    )
  }
  return 'fromText' in schema ? [[]] : []
}

function withNumberAt(value: unknown, [name, ...rest]: readonly string[]): unknown {
  if (name === undefined) return typeof value === 'string' ? (readNumber(value) ?? value) : value
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return value
  const child: unknown = Reflect.get(value, name)
  const replaced = withNumberAt(child, rest)
  return replaced === child ? value : { ...value, [name]: replaced }
}
