import { Type } from 'typebox'
import { NICE_SIGNATURE } from '../../../schemas/authentication.js'
import { Key, OptionalText, Timestamp } from '../../../schemas/common.js'
import { defineContract, type Entity } from '../../../schemas/contract.js'

/** The entity of these events, and where readers find it. */
export const tickets: Entity = {
  name: 'tickets',
  fields: ['subject', 'priority', 'assignedTo'],
  postgres: { table: 'tickets' },
  mongo: { database: 'state', collection: 'state.tickets', view: 'tickets' },
}

const Event = Type.Object({
  ticketId: Key,
  change: Type.Enum(['opened', 'changed', 'removed']),
  timestamp: Timestamp,
  subject: OptionalText,
  priority: Type.Optional(Type.Integer({ minimum: 1, maximum: 5 })),
  assignedTo: OptionalText,
})

const OPERATIONS = { opened: 'snapshot', changed: 'patch', removed: 'delete' } as const

export const ticket = defineContract({
  name: 'ticket',
  summary: 'Tickets of the service desk',
  path: '/webhook/tickets',
  registration: { kind: 'data-action' },
  authentication: NICE_SIGNATURE,
  reportsMissingSignature: true,
  sinks: ['postgres', 'mongo'],
  entities: [tickets],
  body: Event,
  events: (body) => [body],
  event: Event,
  mapEvent({ ticketId, change, timestamp, ...fields }) {
    return { entity: tickets, key: ticketId, operation: OPERATIONS[change], timestamp, fields }
  },
})
