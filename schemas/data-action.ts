import { Type } from 'typebox'
import { parseTimestamp } from '../src/state/timestamp.js'
import { Key, NICE_SIGNATURE } from './common.js'
import { defineContract, type Entity } from './contract.js'

/** C2: documents whose fields change over time. */
export const events: Entity = {
  name: 'events',
  fields: [],
  mongo: { database: 'events', collection: 'events', processedAt: 'processed_at' },
}

const Event = Type.Object({ id: Key, type: Type.String({ minLength: 1 }) }, { description: 'Open' })

/** C2: schema-evolving documents. */
export const dataAction = defineContract({
  name: 'data-action',
  summary: 'Any JSON object with id and type, kept as a document',
  path: '/webhook/cxone-dataaction',
  signature: NICE_SIGNATURE,
  sinks: ['mongo'],
  entities: [events],
  body: Event,
  events: (body) => [body],
  event: Event,
  interpret(event) {
    const { timestamp } = event as { timestamp?: unknown }
    const dated = typeof timestamp === 'string' && Number(parseTimestamp(timestamp)) >= 0
    return {
      entity: events,
      key: event.id,
      operation: 'snapshot',
      // The contract promises no timestamp: one since 1970 orders events, else the time of receipt does.
      timestamp: dated ? timestamp : undefined,
      fields: event,
    }
  },
})
