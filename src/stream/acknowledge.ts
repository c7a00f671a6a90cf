import { type Report, reported } from '../telemetry/command.js'
import { OPERATION } from '../telemetry/names.js'
import { type DeadLetter, letterArguments } from './dead-letter.js'
import type { Entry } from './entry.js'
import type { PartitionKeys } from './keys.js'
import type { RedisClient } from './redis.js'
import { loadScript } from './scripts.js'

const deadLetter = loadScript('dead-letter')

/** The result of one entry: its events were delivered, except those in the dead letters. */
export interface Outcome {
  readonly entry: Entry
  readonly letters: readonly DeadLetter[]
}

/** The consumer group that acknowledges, and its connection. */
export interface Group {
  readonly commands: RedisClient
  readonly partitions: readonly PartitionKeys[]
  readonly group: string
}

/**
 * Acknowledges entries whose outcome is durable: one XACK per partition. An entry with dead letters is acknowledged in
 * the same atomic script that adds them.
 * @param report called with each command
 * @throws the error of Redis or the connection; acknowledging again changes nothing
 */
export async function acknowledge(
  { commands, partitions, group }: Group,
  outcomes: readonly Outcome[],
  report?: Report,
): Promise<void> {
  await Promise.all(
    partitions.map(async ({ partition, events, dead }) => {
      const own = outcomes.filter(({ entry }) => entry.partition === partition)
      const ids = own.filter(({ letters }) => letters.length === 0).map(({ entry }) => entry.id)
      if (ids.length > 0) {
        const about = {
          system: 'redis',
          operation: OPERATION.acknowledge,
          target: events,
          count: ids.length,
        } as const
        await reported(about, report, () => commands.call('XACK', [events, group, ...ids]))
      }
      await Promise.all(
        own
          .filter(({ letters }) => letters.length > 0)
          .map(({ entry, letters }) => {
            const args = [group, entry.id, ...letterArguments(letters)]
            const about = {
              system: 'redis',
              operation: OPERATION.deadLetter,
              target: dead,
              count: 1,
            } as const
            const why = { reason: letters[0]?.reason }
            return reported({ ...about, ...why }, report, () => deadLetter(commands, [dead, events], args))
          }),
      )
    }),
  )
}
