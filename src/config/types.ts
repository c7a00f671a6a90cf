import { Type } from 'typebox'

/** A URL; never shown, because it may contain a password. */
export const url = (description: string, example: string) =>
  Type.Optional(Type.String({ minLength: 1, description, examples: [example], secret: true }))
/** A whole number. */
export const count = (description: string, standard: number, minimum: number, maximum: number) =>
  Type.Integer({ description, default: standard, minimum, maximum })
/** A number from 0 to 1. */
export const share = (description: string, standard: number) =>
  Type.Number({ description, default: standard, minimum: 0, maximum: 1 })
/** A text that is not empty. */
export const text = (description: string, standard: string) =>
  Type.String({ description, default: standard, minLength: 1 })
/** A text that may be left out. */
export const optional = (description: string, more: { secret?: true } = {}) =>
  Type.Optional(Type.String({ minLength: 1, description, ...more }))
/** One of several values, or nothing. */
export const choice = (description: string, values: string[]) =>
  Type.Optional(Type.Enum(values, { description }))
