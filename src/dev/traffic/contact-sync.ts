import { contactSync } from '../../../schemas/contact-sync.js'
import type { Author, Spoiled, World } from './author.js'
import { History } from './history.js'

/** `contact-sync`: arrays of 1 to 20 complete contacts. */
export function contactSyncAuthor(world: World): Author {
  const { random, words } = world
  const history = new History(random, world.clock, `record-${world.run}`, world.keys)
  const record = (id: string, timestamp: string) => ({
    id,
    externalId: words.externalId(),
    firstName: words.firstName(),
    lastName: random.chance(0.1) ? null : words.lastName(),
    email: words.email(),
    timestamp,
  })
  const records = () => history.some(random.between(1, 20)).map((id) => record(id, history.stamp(id)))
  /** An array in which one event, at a random place, is bad. */
  const withBad = (bad: object) => {
    const events: object[] = records()
    events.splice(random.between(0, events.length), 0, bad)
    return { events }
  }
  const changed = (change: object) => {
    const id = history.key()
    return { ...record(id, history.stamp(id)), ...change }
  }
  const { sinks } = contactSync

  return {
    contract: contactSync,
    write: () => ({ events: records() }),
    writeLate() {
      const id = history.known()
      return id && { events: [record(id, history.lateStamp(id))] }
    },
    spoil: [
      () => ({
        fault: 'no events array',
        body: random.pick([{}, { events: null }, { contacts: [changed({})] }]),
      }),
      (): Spoiled => {
        const bad = random.pick([
          { id: undefined },
          { id: 7 },
          { timestamp: 'yesterday' },
          { email: ['a', 'b'] },
        ])
        return {
          fault: 'bad event in the array',
          body: withBad(changed(bad)),
          letter: { reason: 'invalid_event', sinks },
        }
      },
      () => ({
        fault: 'timestamp in the future',
        body: withBad(changed({ timestamp: history.futureStamp() })),
        letter: { reason: 'future_timestamp', sinks },
      }),
      () => ({
        fault: 'NUL in a text',
        body: withBad(changed({ firstName: 'Nul\u0000l' })),
        letter: { reason: 'refused_by_store', sinks: ['postgres'] },
      }),
    ],
  }
}
