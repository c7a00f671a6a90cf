import { validated } from '../../../schemas/validated.js'
import { formatTimestamp } from '../../state/timestamp.js'
import type { Author, World } from './author.js'

/** `validated`: conversations that have ended, each with its own correlation id. */
export function validatedAuthor(world: World): Author {
  const { random, words } = world
  let count = 0
  // CXone sometimes sends numbers as text.
  const number = (value: number) => (random.chance(0.2) ? String(value) : value)
  const data = () => ({
    channel: words.channel(),
    duration_seconds: number(words.seconds()),
    agent_id: words.agent(),
    customer_email: random.chance(0.3) ? words.email().toUpperCase() : words.email(),
    ...(random.chance(0.7) && {
      metadata: {
        priority: random.pick(['high', 'low', null]),
        score: number(random.between(0, 100) / 100),
      },
    }),
  })
  const body = (change: object = {}, inData: object = {}) => ({
    event: 'interaction.completed',
    timestamp: formatTimestamp(world.clock()),
    correlation_id: `correlation-${world.run}-${++count}`,
    ...change,
    data: { ...data(), ...inData },
  })

  return {
    contract: validated,
    write: body,
    // Each correlation id has only one event, so none can be late.
    writeLate: () => undefined,
    spoil: [
      () => ({
        fault: 'missing id',
        body: body({ correlation_id: undefined }),
        letter: { reason: 'invalid_event', sinks: validated.sinks },
      }),
      () => ({
        fault: 'wrong fields',
        body: body(
          {},
          random.pick([
            { duration_seconds: '12.5' },
            { customer_email: 'nobody' },
            { channel: 'fax', agent_id: null },
            { metadata: { score: ' 1 ' } },
          ]),
        ),
        letter: { reason: 'invalid_event', sinks: validated.sinks },
      }),
    ],
  }
}
