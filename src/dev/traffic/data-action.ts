import { dataAction } from '../../../schemas/data-action.js'
import type { Author, World } from './author.js'
import { History } from './history.js'

/** `data-action`: documents of many kinds; hardly any two have the same fields. */
export function dataActionAuthor(world: World): Author {
  const { random, words } = world
  const history = new History(random, world.clock, `event-${world.run}`, world.keys)
  const fields: Readonly<Record<string, () => unknown>> = {
    agentId: words.agent,
    channel: words.channel,
    csat: () => random.between(1, 5),
    customer: () => ({ name: `${words.firstName()} ${words.lastName()}`, email: words.email() }),
    dispositionCode: words.disposition,
    durationSeconds: words.seconds,
    handledByBot: () => random.chance(0.3),
    queue: words.queue,
    sentiment: () => random.between(-100, 100) / 100,
    tags: () => random.some(['billing', 'complaint', 'gdpr', 'repeat', 'upsell'], random.between(0, 3)),
    transfers: () => Array.from({ length: random.between(0, 2) }, () => ({ to: words.queue() })),
    wrapUp: () => null,
  }
  const body = (id: string | undefined, timestamp: string | undefined) => {
    const names = random.some(Object.keys(fields), random.between(3, 8))
    return {
      id,
      type: random.pick(['interaction.closed', 'survey.answered', 'recording.ready']),
      timestamp,
      ...Object.fromEntries(names.map((name) => [name, fields[name]?.()])),
    }
  }

  return {
    contract: dataAction,
    write() {
      const id = history.key()
      // The contract does not require a timestamp; without one, the time of receipt orders the event.
      return body(id, random.chance(0.9) ? history.stamp(id) : undefined)
    },
    writeLate() {
      const id = history.known()
      return id && body(id, history.lateStamp(id))
    },
    spoil: [
      () => ({ fault: 'missing id', body: body(undefined, undefined) }),
      () => ({
        fault: 'timestamp in the future',
        body: body(history.key(), history.futureStamp()),
        letter: { reason: 'future_timestamp', sinks: dataAction.sinks },
      }),
    ],
  }
}
