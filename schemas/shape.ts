import { type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import Format from 'typebox/format'
import System from 'typebox/system'
import type { ValidationError } from '../src/errors.js'
import { parseTimestamp } from '../src/state/timestamp.js'
import { readNumber } from './number.js'

/** A compiled TypeBox schema: a fast yes or no, and all errors where they are wanted. */
export interface Shape {
  readonly schema: TSchema
  /** Costs about 1 us. */
  matches(value: unknown): boolean
  /**
   * The value with numbers in place of their text, wherever the schema says {@link FROM_TEXT}: a copy where
   * anything is replaced, else the value itself. Only for what does not match as it is.
   */
  coerce(value: unknown): unknown
  /** All that keeps a value from matching, up to 100. */
  errors(value: unknown): ValidationError[]
}

/**
 * Option of a number in a schema: it may arrive as text, if that is what JSON would write and nothing gets lost.
 * `"12"` and `"1.5e3"` do; `""`, `" 12 "`, `"0x10"`, `"1e999"` and `"9007199254740993"` do not.
 */
export const FROM_TEXT = { fromText: true } as const

// What passes the format is what can be ordered by: one rule.
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

/** Errors in one line: `<path> <message>`, joined by `; `. */
export function explain(errors: readonly ValidationError[]): string {
  return errors.map(({ loc, msg }) => `/${loc.join('/')} ${msg}`).join('; ')
}

function toValidationErrors(error: TLocalizedValidationError): ValidationError[] {
  const loc = error.instancePath
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (error.keyword !== 'required') return [{ loc, msg: error.message, type: error.keyword }]
  return error.params.requiredProperties.map((name) => ({
    loc: [...loc, name],
    msg: 'is required',
    type: 'required',
  }))
}

/** Where in an object there is a number that may arrive as text. */
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
