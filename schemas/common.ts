import { Type } from 'typebox'
import type { Signature } from './contract.js'

/** What NICE signs its data actions with; the contracts that name no scheme of their own take the same. */
export const NICE_SIGNATURE: Signature = { header: 'X-Nice-Webhook-Signature', encoding: 'base64' }

/** The key of an entity. */
export const Key = Type.String({ minLength: 1, maxLength: 512, description: 'Primary key of the entity' })

/** When the event happened. */
export const Timestamp = Type.String({
  format: 'date-time',
  description: 'RFC 3339 with offset; microseconds count',
  examples: ['2026-11-22T09:30:00.123Z'],
})

/** A field that may be left out or `null`. */
export const OptionalText = Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'] }))
