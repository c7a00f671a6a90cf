import { Type } from 'typebox'

/** The key of an entity. */
export const Key = Type.String({ minLength: 1, maxLength: 512, description: 'Key of the entity' })

/** When the event happened. */
export const Timestamp = Type.String({
  format: 'date-time',
  description: 'RFC 3339 with offset, which may also be +0100 or +01; microseconds count',
  examples: ['2026-11-01T09:30:00.123Z'],
})

/** A field that may be left out or `null`. */
export const OptionalText = Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'] }))
