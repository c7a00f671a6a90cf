import { Type } from 'typebox'
import { parseTimestamp } from '../src/state/timestamp.js'
import { NICE_SIGNATURE } from './authentication.js'
import { defineContract, type Entity } from './contract.js'

/** Documents whose fields change over time. */
export const events: Entity = {
  name: 'events',
  fields: ['id', 'type', 'timestamp'],
  mongo: {
    database: 'events',
    collection: 'events',
    processedAt: 'processed_at',
    evolves: { registry: 'schema_versions', versionField: 'schema_version' },
  },
}

const Id = Type.Unsafe<string | number>({
  type: ['string', 'integer'],
  minLength: 1,
  maxLength: 512,
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'Primary key; 7 and "7" are the same one',
})

const Event = Type.Object(
  { id: Id, type: Type.String({ minLength: 1 }) },
  {
    description: 'Open',
    examples: [{ id: 'd-1', type: 'survey.completed', score: 9, anything: { else: true } }],
  },
)

/** `data-action`: documents whose schema evolves. */
export const dataAction = defineContract({
  name: 'data-action',
  summary: 'Any JSON object with id and type, kept as a document',
  path: '/webhook/cxone-dataaction',
  registration: { kind: 'data-action' },
  authentication: NICE_SIGNATURE,
  reportsMissingSignature: true,
  sinks: ['mongo'],
  entities: [events],
  body: Event,
  events: (body) => [body],
  event: Event,
  mapEvent(event) {
    const { timestamp } = event as { timestamp?: unknown }
    const dated = typeof timestamp === 'string' && Number(parseTimestamp(timestamp)) >= 0
    return {
      entity: events,
      key: String(event.id),
      operation: 'snapshot',
      // The contract does not require a timestamp. One since 1970 orders events; else the time of receipt does.
      timestamp: dated ? timestamp : undefined,
      fields: event,
    }
  },
})
