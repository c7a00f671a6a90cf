import { Type } from 'typebox'
import { NICE_SIGNATURE } from './authentication.js'
import { Key, Timestamp } from './common.js'
import { defineContract, type Entity } from './contract.js'

/** People. */
export const contacts: Entity = {
  name: 'contacts',
  fields: ['externalId', 'firstName', 'lastName', 'email', 'phone', 'status'],
  postgres: { table: 'contacts' },
  mongo: { database: 'state', collection: 'state.contacts', view: 'contacts' },
}

/** Calls, chats, e-mails. */
export const interactions: Entity = {
  name: 'interactions',
  fields: [
    'contactId',
    'channel',
    'direction',
    'status',
    'queueName',
    'agentId',
    'dispositionCode',
    'startedAt',
    'endedAt',
    'durationSeconds',
  ],
  postgres: { table: 'interactions' },
  mongo: { database: 'state', collection: 'state.interactions', view: 'interactions' },
}

/** An event type is `<entity>.<verb>`: to add one, add a line to one of these tables. */
const ENTITIES = new Map([
  ['contact', contacts],
  ['interaction', interactions],
])
const VERBS = new Map([
  ['created', 'snapshot'],
  ['updated', 'patch'],
  ['deleted', 'delete'],
] as const)

const Event = Type.Object(
  {
    webhookId: Type.String(),
    eventType: Type.String({ description: 'What happened', examples: ['contact.created'] }),
    timestamp: Timestamp,
    eventData: Type.Object({ id: Key }, { description: 'Open: a field goes to the column of its name' }),
  },
  {
    examples: [
      {
        webhookId: 'w-1',
        eventType: 'contact.updated',
        timestamp: '2026-11-01T09:30:00.123Z',
        eventData: { id: 'c-1', firstName: 'Ada', vip: true },
      },
    ],
  },
)

/** `cdc`: changes of contacts and interactions for relational tables. */
export const cdc = defineContract({
  name: 'cdc',
  summary: 'Changes of contacts and interactions, one a request',
  path: '/webhook/cxone',
  registration: {
    kind: 'webhook',
    events: [...ENTITIES.keys()].flatMap((kind) => [...VERBS.keys()].map((verb) => `${kind}.${verb}`)),
  },
  authentication: NICE_SIGNATURE,
  reportsMissingSignature: true,
  sinks: ['postgres', 'mongo'],
  entities: [contacts, interactions],
  body: Event,
  events: (body) => [body],
  event: Event,
  mapEvent({ eventType, timestamp, eventData }) {
    const [kind = '', verb = '', ...rest] = eventType.split('.')
    const entity = ENTITIES.get(kind)
    const operation = VERBS.get(verb as 'created')
    if (!entity || !operation || rest.length > 0) return { unknownType: eventType }
    const { id, ...fields } = eventData
    return { entity, key: id, operation, timestamp, fields }
  },
})
