import { cdc } from '../../../schemas/cdc.js'
import type { Author, World } from './author.js'
import { History } from './history.js'

type Fields = Readonly<Record<string, () => unknown>>

/** `cdc`: contacts and interactions that are created, updated many times, and deleted in the end. */
export function cdcAuthor(world: World): Author {
  const { random, words } = world
  const history = (name: string) => new History(random, world.clock, `${name}-${world.run}`, world.keys)
  const contacts = history('contact')
  const contact: Fields = {
    externalId: words.externalId,
    firstName: words.firstName,
    lastName: words.lastName,
    email: words.email,
    phone: () => (random.chance(0.1) ? null : words.phone()),
    status: words.contactStatus,
    preferredLanguage: () => random.pick(['de', 'en', 'es', 'ja']),
  }
  const interaction: Fields = {
    contactId: () => contacts.key(),
    channel: words.channel,
    direction: words.direction,
    status: () => random.pick(['active', 'held', 'ended']),
    queueName: words.queue,
    agentId: words.agent,
    dispositionCode: words.disposition,
    startedAt: () => new Date(Math.floor(world.clock() / 1_000)).toISOString(),
    // CXone sometimes sends numbers as text.
    durationSeconds: () => (random.chance(0.2) ? String(words.seconds()) : words.seconds()),
  }
  const kinds = [
    { name: 'contact', history: contacts, fields: contact, living: new Set<string>() },
    { name: 'interaction', history: history('interaction'), fields: interaction, living: new Set<string>() },
  ] as const

  const values = (fields: Fields, names = Object.keys(fields)) =>
    Object.fromEntries(names.map((name) => [name, fields[name]?.()]))
  const event = (eventType: string, timestamp: string, eventData: object) => ({
    webhookId: `webhook-${world.run}`,
    eventType,
    timestamp,
    eventData,
  })
  const updated = (fields: Fields) => values(fields, random.some(Object.keys(fields), random.between(1, 3)))
  const update = (change: { type?: string; timestamp?: string; data?: object } = {}) => {
    const id = contacts.key()
    const {
      type = 'contact.updated',
      timestamp = contacts.stamp(id),
      data = { id, ...updated(contact) },
    } = change
    return event(type, timestamp, data)
  }

  return {
    contract: cdc,
    write() {
      const { name, history: keys, fields, living } = random.pick(kinds)
      const id = keys.key()
      const timestamp = keys.stamp(id)
      if (!living.has(id)) {
        living.add(id)
        return event(`${name}.created`, timestamp, { id, ...values(fields) })
      }
      if (random.chance(0.9)) return event(`${name}.updated`, timestamp, { id, ...updated(fields) })
      living.delete(id)
      return event(`${name}.deleted`, timestamp, { id })
    },
    writeLate() {
      const { name, history: keys, fields } = random.pick(kinds)
      const id = keys.known()
      return id && event(`${name}.updated`, keys.lateStamp(id), { id, ...updated(fields) })
    },
    spoil: [
      () => ({ fault: 'missing id', body: update({ data: updated(contact) }) }),
      () => ({
        fault: 'unknown event type',
        body: update({
          type: random.pick(['contact.archived', 'interaction.transferred', 'ticket.created']),
        }),
        letter: { reason: 'unknown_type', sinks: cdc.sinks },
      }),
      () => ({
        fault: 'timestamp in the future',
        body: update({ timestamp: contacts.futureStamp() }),
        letter: { reason: 'future_timestamp', sinks: cdc.sinks },
      }),
      () => ({
        fault: 'NUL in a text',
        body: update({ data: { id: contacts.key(), lastName: 'Nul\u0000l' } }),
        letter: { reason: 'refused_by_store', sinks: ['postgres'] },
      }),
    ],
  }
}
