import type { InteractionUpdate } from '../../schemas/interaction-update.js'

/** An update of one interaction's attributes in CXone. */
export interface AttributesUpdate {
  readonly interactionId: string
  /** Two events with the same key count as one: the second makes no update. */
  readonly idempotencyKey: string
  /** Values by CXone's names. Empty where the event has nothing to write: then it is skipped. */
  readonly attributes: Readonly<Record<string, unknown>>
}

/** Maps an event to the update for CXone. */
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

/** The sender chooses the names of attributes, so only an object's own properties count, not inherited ones. */
function own(attributes: InteractionUpdate['attributes'], name: string): unknown {
  return attributes && Object.hasOwn(attributes, name) ? attributes[name] : undefined
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}
