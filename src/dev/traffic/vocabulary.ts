import type { Random } from './random.js'

/** Names as people have them: with accents, apostrophes and other scripts. */
const FIRST_NAMES = [
  'Ada',
  'Aïcha',
  'Björn',
  'Chen',
  'Dolores',
  'Émile',
  'Grace',
  'José',
  'Łucja',
  'Naoko',
  '美咲',
]
const LAST_NAMES = [
  'Curie',
  "D'Souza",
  'García',
  'Hopper',
  'Lovelace',
  'Müller',
  "O'Neil",
  'Škoda',
  'Tanaka',
  '王',
]

const QUEUES = ['Billing', 'Claims', 'Retention', 'Sales DE', 'Technical support']
const DISPOSITIONS = ['CALLBACK', 'ESCALATED', 'NO_ANSWER', 'RESOLVED', 'SPAM']

/** Makes random values that look like those of a contact centre. */
export function vocabulary(random: Random) {
  const digits = (count: number) => Array.from({ length: count }, () => random.between(0, 9)).join('')
  return {
    firstName: () => random.pick(FIRST_NAMES),
    lastName: () => random.pick(LAST_NAMES),
    email: () => `customer.${digits(5)}@example.com`,
    phone: () => `+1-555-${digits(3)}-${digits(4)}`,
    externalId: () => `CRM-${digits(6)}`,
    contactStatus: () => random.pick(['active', 'blocked', 'lead', 'vip']),
    channel: () => random.pick(['voice', 'chat', 'email', 'sms']),
    direction: () => random.pick(['inbound', 'outbound']),
    queue: () => random.pick(QUEUES),
    agent: () => `agent-${random.between(1, 80)}`,
    disposition: () => random.pick(DISPOSITIONS),
    seconds: () => random.between(5, 3_600),
  }
}

/** What {@link vocabulary} makes. */
export type Vocabulary = ReturnType<typeof vocabulary>
