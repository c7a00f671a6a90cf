import type { InteractionUpdate } from '../../schemas/interaction-update.js'

/** What is to be written back to CXone. */
export interface AttributesUpdate {
  readonly interactionId: string
  /** Two events with the same key are one: the second makes no update. */
  readonly idempotencyKey: string
  /** By CXone's names. Empty where the event has nothing to write: then it is skipped. */
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Makes of an event what CXone is to be told. */
export function toAttributesUpdate(event: InteractionUpdate): AttributesUpdate {
  const { interactionId, timestamp, legacyCrmId, sourceChannel, attributes } = event
  const mapped = {
    crmReferenceId: legacyCrmId,
    originChannel: sourceChannel?.toUpperCase(),
    routingQueue: own(attributes, 'queueName'),
    dispositionCode: own(attributes, 'wrapUpCode'),
    servingAgentName: own(attributes, 'agentName'),
  }
  return {
    interactionId,
    idempotencyKey: `${interactionId}_${timestamp}`,
    attributes: Object.fromEntries(Object.entries(mapped).filter(([, value]) => !isEmpty(value))),
  }
}

/** Attributes come from outside: what an object has inherited is not theirs. */
function own(attributes: InteractionUpdate['attributes'], name: string): unknown {
  return attributes && Object.hasOwn(attributes, name) ? attributes[name] : undefined
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}
