import { type Static, Type } from 'typebox'
import { NICE_SIGNATURE } from './authentication.js'
import { Key, OptionalText, Timestamp } from './common.js'
import { defineContract } from './contract.js'

const Event = Type.Object(
  {
    interactionId: Key,
    contactId: Key,
    timestamp: Timestamp,
    attributes: Type.Optional(
      Type.Unsafe<Readonly<Record<string, unknown>> | null>({
        type: ['object', 'null'],
        description: 'Open; queueName, wrapUpCode and agentName are written back',
      }),
    ),
    legacyCrmId: OptionalText,
    sourceChannel: OptionalText,
  },
  {
    examples: [
      {
        interactionId: 'i-1',
        contactId: 'c-1',
        timestamp: '2026-11-01T09:30:00Z',
        attributes: { queueName: 'Billing', wrapUpCode: 'resolved', agentName: 'Grace' },
        legacyCrmId: 'crm-7',
        sourceChannel: 'voice',
      },
    ],
  },
)

/** An event about an interaction. */
export type InteractionUpdate = Static<typeof Event>

/** `interaction-update`: attributes to write back to CXone. */
export const interactionUpdate = defineContract({
  name: 'interaction-update',
  summary: 'Attributes of an interaction, to be written back to CXone',
  path: '/webhook/cxone-interactions',
  registration: { kind: 'data-action' },
  authentication: NICE_SIGNATURE,
  reportsMissingSignature: true,
  sinks: ['interactions'],
  entities: [],
  body: Event,
  events: (body) => [body],
  event: Event,
})
