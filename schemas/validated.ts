import { Type } from 'typebox'
import { Key, OptionalText, Timestamp } from './common.js'
import { defineContract } from './contract.js'
import { FROM_TEXT } from './shape.js'

const Event = Type.Object(
  {
    event: Type.String({ minLength: 1, description: 'What happened', examples: ['interaction.completed'] }),
    timestamp: Timestamp,
    correlation_id: Type.String({ minLength: 1, maxLength: 512, description: 'Key of the clean feed' }),
    data: Type.Object({
      channel: Type.Enum(['voice', 'chat', 'email', 'sms']),
      duration_seconds: Type.Integer(FROM_TEXT),
      agent_id: Key,
      customer_email: Type.String({ format: 'email', maxLength: 254 }),
      metadata: Type.Optional(Type.Object({ priority: OptionalText, score: Type.Number(FROM_TEXT) })),
    }),
  },
  {
    examples: [
      {
        event: 'interaction.completed',
        timestamp: '2026-11-01T09:30:00Z',
        correlation_id: 'corr-1',
        data: {
          channel: 'voice',
          duration_seconds: '185',
          agent_id: 'a-1',
          customer_email: 'Ada@Example.com',
          metadata: { priority: 'high', score: '4.5' },
        },
      },
    ],
  },
)

/** `validated`: strict validation, with numbers accepted as text, for the clean feed. */
export const validated = defineContract({
  name: 'validated',
  summary: 'Data actions, validated to the last field, for the clean feed',
  path: '/webhooks/cxone-data-actions',
  registration: { kind: 'data-action' },
  authentication: { scheme: 'hmac', header: 'X-CXone-Signature', encoding: 'hex', prefix: '' },
  reportsMissingSignature: false,
  sinks: ['feed'],
  entities: [],
  // The edge accepts any JSON: all its errors go into one dead letter, not into an answer.
  body: Type.Unknown(),
  events: (body) => [body],
  event: Event,
  clean(event) {
    const { data, correlation_id, timestamp } = event
    const value = { ...event, data: { ...data, customer_email: data.customer_email.toLowerCase() } }
    return { key: correlation_id, value, timestamp }
  },
})
