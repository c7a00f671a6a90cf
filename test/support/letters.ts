import { inject, onTestFinished, vi } from 'vitest'
import type { DeadLetter } from '../../src/stream/dead-letter.js'
import { browse } from '../../src/stream/dead-letters/browse.js'
import { type Entry, fromReply, type RawEntry } from '../../src/stream/entry.js'
import { runCommandLine } from './command-line.js'
import { openStream, type TestStream } from './stream.js'

/** Fresh streams, which the command line of this test is configured for. */
export async function streams(partitions = 1): Promise<TestStream> {
  const stream = await openStream({ partitions })
  onTestFinished(() => stream.end())
  vi.stubEnv('REDIS_URL', inject('services').redisUrl)
  vi.stubEnv('STREAM_PREFIX', stream.first.events.split(':')[0] ?? '')
  vi.stubEnv('PARTITIONS', String(partitions))
  return stream
}

/** `tributary dead ...` */
export const dead = (...args: string[]) => runCommandLine(['dead', ...args])

/** A body that is delivered. */
export const good = (id: string) => ({
  webhookId: 'w',
  eventType: 'contact.created',
  timestamp: '2025-11-22T03:00:00Z',
  eventData: { id },
})

/** A letter that would be delivered today. */
export function letter(more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    ...{ reason: 'refused_by_store', message: 'too long', errors: [], sink: 'postgres', source: 'cdc' },
    ...{ entry: '0/1763780760125-3', index: 0, receivedAt: 1_763_780_760_125, delivery: 'd-1', trace: 't-1' },
    ...{ attempts: 1, firstAt: 1_763_780_760_999, body: Buffer.from(JSON.stringify(good('c-1'))) },
    ...more,
  }
}

/** All entries of the log. */
export async function entriesOf({ redis, keys }: TestStream): Promise<Entry[]> {
  const parts = await Promise.all(
    keys.map(async ({ partition, events }) => {
      const page = (await redis.callBuffer('XRANGE', events, '-', '+')) as RawEntry[]
      return page.flatMap((raw) => fromReply(partition, raw) ?? [])
    }),
  )
  return parts.flat()
}

/** The ids of all letters. */
export async function idsOf({ redis, keys }: TestStream): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of browse(redis, keys, {})) ids.push(id)
  return ids
}
