/** Maximum length of a kept id, in characters; keys are shorter. */
const MAX_LENGTH = 512

/** Where an event may have its id; the first one present counts. */
const PLACES: readonly (readonly string[])[] = [
  ['correlation_id'],
  ['eventData', 'id'],
  ['id'],
  ['interactionId'],
]

/**
 * Reads the correlation or event id from a body; empty when there is none. Costs a JSON.parse, so it is only for letters.
 * Never throws.
 */
export function eventIdOf(body: Buffer): string {
  const event = parse(body)
  for (const place of PLACES) {
    const id = place.reduce(member, event)
    if ((typeof id === 'string' && id !== '') || typeof id === 'number')
      return String(id).slice(0, MAX_LENGTH).toWellFormed()
  }
  return ''
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

function member(value: unknown, name: string): unknown {
  const isObject = typeof value === 'object' && value !== null
  return isObject && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}
