import { interactionUpdate } from '../../../schemas/interaction-update.js'
import type { Author, World } from './author.js'
import { History } from './history.js'

/** `interaction-update`: attributes of calls and chats, as another system has them. */
export function interactionUpdateAuthor(world: World): Author {
  const { random, words } = world
  const history = new History(random, world.clock, `update-${world.run}`, world.keys)
  const fields: Readonly<Record<string, () => unknown>> = {
    legacyCrmId: words.externalId,
    sourceChannel: words.channel,
    attributes: () => ({
      queueName: words.queue(),
      wrapUpCode: random.chance(0.2) ? null : words.disposition(),
      agentName: random.chance(0.2) ? '' : `${words.firstName()} ${words.lastName()}`,
    }),
  }
  const body = (interactionId: string, timestamp: string) => ({
    interactionId,
    contactId: `contact-${world.run}-${random.between(1, world.keys)}`,
    timestamp,
    ...Object.fromEntries(
      // Some events have nothing to write back.
      random.some(Object.keys(fields), random.between(0, 3)).map((name) => [name, fields[name]?.()]),
    ),
  })
  const next = () => {
    const id = history.key()
    return body(id, history.stamp(id))
  }

  return {
    contract: interactionUpdate,
    write: next,
    writeLate() {
      const id = history.known()
      return id && body(id, history.lateStamp(id))
    },
    spoil: [
      () => ({ fault: 'missing id', body: { ...next(), interactionId: undefined } }),
      () => ({
        fault: 'wrong fields',
        body: {
          ...next(),
          ...random.pick([{ contactId: 7 }, { timestamp: 'yesterday' }, { attributes: [] }]),
        },
      }),
    ],
  }
}
