import { Type } from 'typebox'
import { NICE_SIGNATURE } from './authentication.js'
import { Key, OptionalText, Timestamp } from './common.js'
import { defineContract, type Entity } from './contract.js'

/** Contacts as another system has them. */
export const contactRecords: Entity = {
  name: 'contact_records',
  fields: ['externalId', 'firstName', 'lastName', 'email', 'timestamp'],
  postgres: { table: 'contact_records', columns: { timestamp: 'updated_ts' }, local: ['sync_status'] },
  mongo: { database: 'state', collection: 'state.contact_records', view: 'contact_records' },
}

/** Most events in a request: each may be dead-lettered, and all dead letters of a request are written at once. */
const MAX_EVENTS = 10_000

/** `contact-sync`: batched upserts from an `events` array. */
export const contactSync = defineContract({
  name: 'contact-sync',
  summary: 'Whole contacts, many a request',
  path: '/webhook',
  registration: { kind: 'data-action' },
  authentication: NICE_SIGNATURE,
  reportsMissingSignature: true,
  sinks: ['postgres', 'mongo'],
  entities: [contactRecords],
  body: Type.Object({
    // Without a schema of the items: each of any number of them would be looked at.
    events: Type.Unsafe<unknown[]>({
      type: 'array',
      maxItems: MAX_EVENTS,
      description: 'Checked one by one',
    }),
  }),
  list: 'events',
  events: (body) => body.events,
  event: Type.Object(
    {
      id: Key,
      externalId: OptionalText,
      firstName: OptionalText,
      lastName: OptionalText,
      email: OptionalText,
      timestamp: Timestamp,
    },
    {
      examples: [
        {
          id: 'r-1',
          externalId: 'x-1',
          firstName: 'Ada',
          lastName: 'Lovelace',
          email: 'ada@example.com',
          timestamp: '2026-11-01T09:30:00Z',
        },
      ],
    },
  ),
  mapEvent({ id, ...fields }) {
    return { entity: contactRecords, key: id, operation: 'snapshot', timestamp: fields.timestamp, fields }
  },
})
